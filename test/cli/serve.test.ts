import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import type { PageData } from '../../src/dashboard/page.ts'
import { callCli, startCli, type Cli } from '../support/cli.ts'
import { until } from '../support/until.ts'
import { atEnd, jsonOf, ownFolder } from '../support/fastify-app.ts'
import { createStoreUnderTest, observe } from '../support/store-under-test.ts'

const jobsFile = `
import type { Tenure } from 'tenure'

export async function jobs(tenure: Tenure): Promise<void> {
  await tenure.schedule('tick', { every: '50ms' }, async (run) => {
    run.log.info({ number: 7 }, 'ticked')
  })
  await tenure.schedule('slow', { every: '100ms' }, async (run) => {
    run.log.info({}, 'slow_began')
    await new Promise<void>((resolve) => setTimeout(resolve, 700))
    run.log.info({ aborted: run.signal.aborted }, 'slow_ended')
  })
}
`

/** A folder with a jobs file. */
function folderWith(t: TestContext, name: string, text: string): string {
  const folder = ownFolder(t)
  writeFileSync(join(folder, name), text)
  return folder
}

async function urlOf(cli: Cli): Promise<string> {
  return String((await cli.said('listening'))['url'])
}

describe('tenure serve', { concurrency: 2 }, () => {
  test('runs the jobs of ./tenure.jobs.ts on one of two instances, and drains at SIGTERM', async (t) => {
    const store = await createStoreUnderTest(t, 'SQLite')
    const cwd = folderWith(t, 'tenure.jobs.ts', jobsFile)
    const args = ['serve', '--store', store.url, '--port', '0', '--json']
    const first = startCli(t, args, { cwd })
    const { jobs, path } = await first.said('jobs_scheduled')
    assert.deepEqual(jobs, ['tick', 'slow'])
    assert.equal(path, join(cwd, 'tenure.jobs.ts'))
    const ticked = await first.said('ticked')
    assert.equal(ticked['number'], 7)
    assert.equal(ticked['jobId'], 'tick')
    const second = startCli(t, args, { cwd })
    await second.said('listening')
    assert.equal(first.process.exitCode, null)

    await first.said('slow_began', 1)
    const began = (): number => first.lines.filter(({ msg }) => msg === 'slow_began').length
    const ended = (): number => first.lines.filter(({ msg }) => msg === 'slow_ended').length
    await until('a run goes on', () => began() > ended())
    first.process.kill('SIGTERM')
    assert.equal(await first.exit(), 0)
    assert.equal(ended(), began(), 'the run that went on has ended')
    assert.equal(first.lines.findLast(({ msg }) => msg === 'slow_ended')?.['aborted'], false)
    assert.equal((await second.said('ticked'))['token'], 2)
    const { terms } = await observe(t, store)()
    assert.equal(terms[1]?.reason, 'stopped')
    second.process.kill('SIGINT')
    assert.equal(await second.exit(), 0)
    assert.equal(first.stdout + second.stdout, '')
  })

  test('answers with the page, the status and the probes, to this machine and its own page only', async (t) => {
    const { url: store } = await createStoreUnderTest(t, 'SQLite')
    const cwd = folderWith(t, 'jobs.mjs', 'export const jobs = () => {}\n')
    const flags = ['--store', store, '--port', '0', '--json', '--label', 'web-1']
    const cli = startCli(t, ['serve', 'jobs.mjs', ...flags], { cwd })
    const url = await urlOf(cli)
    await cli.said('lease_acquired')

    const page = await fetch(url)
    assert.equal(page.status, 200)
    assert.match(page.headers.get('content-type') ?? '', /text\/html/)
    assert.match(page.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.equal((await fetch(`${url}view.js`)).status, 200)
    const data = await jsonOf(await fetch(`${url}data.json`))
    assert.equal((data['lease'] as PageData['lease']).leader?.name, 'web-1')
    const status = await jsonOf(await fetch(`${url}status`))
    assert.equal(status['role'], 'leader')
    assert.deepEqual(await jsonOf(await fetch(`${url}health`)), { status: 'ok', role: 'leader' })
    const leader = await fetch(`${url}health/leader`)
    assert.equal(leader.status, 200)
    assert.deepEqual(await jsonOf(leader), { leader: true, fencingToken: 1 })
    assert.equal((await fetch(`${url}nothing`)).status, 404)
    assert.equal((await fetch(url, { method: 'POST' })).status, 405)

    const second = startCli(t, ['serve', 'jobs.mjs', ...flags], { cwd })
    const other = await fetch(`${await urlOf(second)}health/leader`)
    assert.equal(other.status, 503)
    assert.deepEqual(await jsonOf(other), { leader: false })

    // A browser sends the name under which it knows the page, and a stranger's is not ours.
    const { port } = new URL(url)
    const stranger = await answerTo(Number(port), 'stranger.example')
    assert.equal(stranger, 403)
    assert.equal(await answerTo(Number(port), `localhost:${port}`), 200)
  })

  test('a usual port that is taken is no obstacle, one that was asked for is', async (t) => {
    const cwd = folderWith(t, 'tenure.jobs.mjs', 'export function jobs() {}\n')
    const taken = createServer()
    atEnd(t, () => taken.close())
    const listening = new Promise<void>((resolve) => taken.on('listening', resolve))
    taken.on('error', () => {
      // Somebody else has it, which is just as well.
      taken.emit('listening')
    })
    taken.listen(4646, '127.0.0.1')
    await listening
    const cli = startCli(t, ['serve', '--store', 'memory:', '--json'], { cwd })
    const { text } = await cli.said('listening')
    assert.match(String(text), /status page at http:\/\/127\.0\.0\.1:\d+\/ \(4646 is taken\)/)
    const { port } = new URL(await urlOf(cli))
    const { code, stderr } = await callCli(t, ['serve', '--store', 'memory:', '--port', port], {
      cwd,
    })
    assert.equal(code, 1)
    assert.match(stderr, new RegExp(`Expected the port ${port} to be free; got one that is taken`))
  })

  const wrong: readonly (readonly [what: string, text: string, says: RegExp])[] = [
    [
      'does not export jobs',
      'export const job = 1',
      /to export a function `jobs\(tenure\)`.*\[job\]/,
    ],
    ['is no JavaScript', 'export const jobs = ((', /can be loaded; got: SyntaxError/],
    ['imports what is not there', "import 'nosuch'", /can be loaded; got: .*Cannot find package/],
    [
      'schedules what cannot be',
      "export const jobs = (tenure) => tenure.schedule('a', { every: '1ms' }, () => {})",
      /`jobs` of .* to schedule the jobs; got: TenureError: Expected `every` to be at least/,
    ],
  ]
  for (const [what, text, says] of wrong) {
    test(`a jobs file that ${what} gives 1, and is told what is wrong with it`, async (t) => {
      const cwd = folderWith(t, 'tenure.jobs.mjs', text)
      const { code, stderr } = await callCli(t, ['serve', '--store', 'memory:'], { cwd })
      assert.equal(code, 1)
      assert.match(stderr, says)
    })
  }

  test('a second signal ends it at once, though a job goes on', async (t) => {
    const { url: store } = await createStoreUnderTest(t, 'SQLite')
    const text =
      "export const jobs = (tenure) => tenure.schedule('long', { every: '50ms' }, async (run) => {\n" +
      "  run.log.info({}, 'long_began')\n  await new Promise(() => {})\n})\n"
    const cwd = folderWith(t, 'tenure.jobs.mjs', text)
    const flags = ['--store', store, '--port', '0', '--drain', '1h', '--json']
    const cli = startCli(t, ['serve', ...flags], { cwd })
    await cli.said('long_began')
    cli.process.kill('SIGTERM')
    await cli.said('stopping')
    cli.process.kill('SIGINT')
    assert.equal(await cli.exit(), 130)
  })
})

/** The status of the page for a request with this Host header. */
function answerTo(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', headers: { host } }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    sent.on('error', reject)
    sent.end()
  })
}
