// The code in the README is run as it stands, with the package as it is built.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

import { InstalledProgram } from '../support/installed-program.ts'
import { until } from '../support/until.ts'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const [service = '', guard = ''] = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(
  ([, code]) => code,
)

describe('the README', () => {
  test('the service runs as it stands, leads, and ends on SIGTERM', async (t) => {
    assert.ok(service.split('\n').filter(Boolean).length <= 26, 'about twenty lines')
    const program = new InstalledProgram(service, ['fastify', 'fastify-plugin'], { PORT: '0' })
    t.after(() => program.end())
    const url = await until(
      'the service listens',
      () => /listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(program.output)?.[1],
    )
    await until('the service leads', async () => {
      const reply = await fetch(`${url}/`)
      return ((await reply.json()) as { leader: boolean }).leader
    })
    assert.equal((await fetch(`${url}/tenure/health`)).status, 200)
    program.process.kill('SIGTERM')
    assert.equal(await program.exited, 0)
  })

  test('the guard of an existing cron job runs it on the leader', async (t) => {
    // A cron library that is always due.
    const prelude = `
      const cron = { schedule: (_expression, job) => setInterval(job, 10) }
      const nightly = () => console.log('nightly has run')
    `
    assert.ok(guard.split('\n').filter(Boolean).length <= 6)
    const [imports = '', ...rest] = guard.split('\n\n')
    const code = `${imports}\n${prelude}\n${rest.join('\n\n')}`
    const program = new InstalledProgram(code, [])
    t.after(() => program.end())
    await until('the job has run', () => program.output.includes('nightly has run'))
  })
})
