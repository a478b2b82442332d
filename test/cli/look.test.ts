// `tenure status` and `tenure resign`.
import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import { callCli, flagsFor, startCli, type Cli } from '../support/cli.ts'
import { ownFolder } from '../support/fastify-app.ts'
import { createStoreUnderTest, observe } from '../support/store-under-test.ts'

/** Starts a leader that sleeps; ready when its command runs. */
async function startLeader(
  t: TestContext,
  flags: readonly string[],
  label: string,
  env: NodeJS.ProcessEnv = {},
): Promise<Cli> {
  const args = ['run', ...flags, '--label', label, '--restart', '--', 'sleep', '600']
  const cli = startCli(t, args, { env })
  await cli.said('command_started')
  return cli
}

/** The rows of the table of terms, each as its cells. */
function rowsOf(stdout: string): string[][] {
  const lines = stdout.split('\n')
  const from = lines.findIndex((line) => line.includes('TOKEN'))
  return lines
    .slice(from + 1)
    .filter(Boolean)
    .map((line) => line.trim().split(/ {2,}/))
}

describe('tenure status', { concurrency: 2 }, () => {
  test('of a store that does not exist says that nobody leads, gives 3, and makes none', async (t) => {
    const cwd = ownFolder(t)
    const { code, stdout, stderr } = await callCli(t, ['status'], { cwd })
    assert.equal(code, 3)
    assert.match(stdout, /^Lease scheduler in sqlite:\.\/tenure\.db$/m)
    assert.match(stdout, /^ {2}leader +nobody$/m)
    assert.match(stdout, /nobody has ever led/)
    assert.match(stderr, /using sqlite:\.\/tenure\.db, in this folder/)
    const json = await callCli(t, ['status', '--json'], { cwd })
    const { leader, lastToken, terms } = JSON.parse(json.stdout) as Record<string, unknown>
    assert.deepEqual({ leader, lastToken, terms }, { leader: null, lastToken: 0, terms: [] })
    assert.deepEqual(readdirSync(cwd), [])
  })

  test('shows who leads, since when, until when, and the history; it is no candidate', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(url)
    await startLeader(t, [...flags, '--application', 'billing'], 'web-1')
    await callCli(t, ['resign', ...flags, '--cool-down', '0s'])
    const { code, stdout, stderr } = await callCli(t, ['status', '--store', url])
    assert.equal(code, 0)
    assert.equal(stderr, '')
    assert.match(stdout, /^ {2}leader +web-1 \(\S+:\d+\)$/m)
    assert.match(stdout, /^ {2}application +billing$/m)
    assert.match(stdout, /^ {2}renewed +\d\.\d s ago$/m)
    assert.match(stdout, /^ {2}expires +in \d\.\d s of 6\.0 s, unless it is renewed$/m)
    const [first, second, ...others] = rowsOf(stdout)
    assert.deepEqual(others, [])
    assert.equal(first?.[0], '2')
    assert.match(first?.[1] ?? '', /^web-1 \(\S+:\d+\)$/)
    assert.match(first?.[2] ?? '', /^\d\d:\d\d:\d\d$/)
    assert.equal(first?.[4], 'leads')
    assert.equal(second?.[4], 'resigned')

    const json = await callCli(t, ['status', '--store', url, '--json'])
    const status = JSON.parse(json.stdout) as { leader: { label: string; token: number } }
    assert.equal(status.leader.label, 'web-1')
    assert.equal(status.leader.token, 2)
  })

  test('a lease that has expired is nobody’s, and its leader is named', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = ['--store', url, '--ttl', '3s', '--heartbeat', '800ms', '--json']
    const all = [...flags, '--attempt-timeout', '600ms']
    // With a witness it would be released.
    const cli = await startLeader(t, all, 'gone', { TENURE_WITNESS: 'false' })
    await cli.end()
    const status = observe(t, { url })
    for (let left: number | undefined = 1; left !== 0;) left = (await status()).lease?.remainingMs
    const { code, stdout } = await callCli(t, ['status', '--store', url])
    assert.equal(code, 3)
    assert.match(stdout, /^ {2}leader +nobody$/m)
    assert.match(stdout, /^ {2}expired +gone \(\S+\), fencing token 1$/m)
    assert.equal(rowsOf(stdout)[0]?.[4], 'unknown')
  })

  test('a store that cannot be read gives 1, and says why', async (t) => {
    const folder = ownFolder(t)
    const path = join(folder, 'tenure.db')
    writeFileSync(
      path,
      'this is no database, and long enough to be told from an empty one'.repeat(20),
    )
    const { code, stdout, stderr } = await callCli(t, ['status', '--store', `sqlite:${path}`])
    assert.equal(code, 1)
    assert.equal(stdout, '')
    assert.match(
      stderr,
      /^tenure: error: Expected a SQLite database .*something else than a database/,
    )
  })
})

describe('tenure resign', { concurrency: 2 }, () => {
  test('where nobody leads says so, gives 1, and makes no store', async (t) => {
    const cwd = ownFolder(t)
    const { code, stdout } = await callCli(t, ['resign'], { cwd })
    assert.equal(code, 1)
    assert.equal(stdout, 'Nobody leads the lease scheduler.\n')
    const json = await callCli(t, ['resign', '--json'], { cwd })
    assert.deepEqual(JSON.parse(json.stdout), { outcome: 'no-leader' })
    assert.deepEqual(readdirSync(cwd), [])
  })

  test('has another instance lead, waits until the term has ended, and tells who leads', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(url)
    await startLeader(t, flags, 'web-1')
    const second = startCli(t, ['run', ...flags, '--label', 'web-2', '--', 'sleep', '600'])
    await second.said('waiting')
    const { code, stdout } = await callCli(t, ['resign', '--store', url, '--cool-down', '1m'])
    assert.equal(code, 0)
    assert.match(stdout, /^The term of web-1 \(\S+\) with fencing token 1 is over: resigned\. /)
    await second.said('command_started')
    const json = await callCli(t, ['status', '--store', url, '--json'])
    const { leader } = JSON.parse(json.stdout) as { leader: { label: string } }
    assert.equal(leader.label, 'web-2', 'web-1 cools down')
  })

  test('--wait 0s only asks; a term that outlasts the wait gives 1', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(url)
    const script = 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
    const slow = ['--drain', '1h', '--', 'sh', '-c', script]
    const cli = startCli(t, ['run', ...flags, ...slow])
    await cli.said('command_started')
    const asked = await callCli(t, ['resign', '--store', url, '--wait', '0s'])
    assert.equal(asked.code, 0)
    assert.equal(asked.stdout, 'The leader with fencing token 1 was asked to resign.\n')
    await cli.said('command_stopping')
    const waited = await callCli(t, ['resign', '--store', url, '--wait', '500ms', '--json'])
    assert.equal(waited.code, 1)
    const { outcome, fencingToken } = JSON.parse(waited.stdout) as Record<string, unknown>
    assert.deepEqual({ outcome, fencingToken }, { outcome: 'asked', fencingToken: 1 })
    const status = await callCli(t, ['status', '--store', url])
    assert.match(status.stdout, /^ {2}resigning +asked by \S+$/m)
  })
})
