import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'

import { callCli, startCli, type Cli } from './cli.ts'
import { until } from './until.ts'
import { processState } from './launcher.ts'
import { createStoreUnderTest, observe, type StoreUnderTest } from './store-under-test.ts'
import type { StoreName } from './test-store.ts'
import {
  createWriterLog,
  readWriterLog,
  uptimeMs,
  writerCommand,
  type WriterLine,
} from './writer-log.ts'

/** Other tests may use all processors at the same time. */
const patienceMs = 60_000

/** The times of the test of a lost lease: with a second between the kill and the hard fence. */
const ttlMs = 9_000
const lostFlags = `--ttl ${ttlMs}ms --heartbeat 2s --attempt-timeout 1s --stop-grace 2s --json`

/** Waits until a command of three levels writes, each of them, in the term of this token. */
async function untilAllWrite(log: string, token: number): Promise<WriterLine[]> {
  return until(
    `three levels write with token ${token}`,
    () => {
      const lines = readWriterLog(log).filter((line) => line.token === token)
      return [0, 1, 2].every((depth) => lines.some((line) => line.depth === depth)) && lines
    },
    patienceMs,
  )
}

/** What `tenure run` promises about a command, whatever the store. */
export function commandCases(storeName: StoreName): void {
  test('a command that ignores SIGTERM is killed with its children and grandchildren before the hard fence, when the store does not answer any more', async (t) =>
    losesLease(t, await createStoreUnderTest(t, storeName)))

  test(`two on one lease never overlap, over ${handOvers} handovers`, async (t) =>
    handsOver(t, await createStoreUnderTest(t, storeName)))
}

async function losesLease(t: TestContext, store: StoreUnderTest): Promise<void> {
  const log = createWriterLog(t)
  const flags = ['--store', store.url, ...lostFlags.split(' ')]
  const cli = startCli(t, ['run', ...flags, '--', ...writerCommand(log, 'stubborn')])
  const status = observe(t, store)
  await untilAllWrite(log, 1)
  await store.hold()
  const fenceMs = (await renewedAt(status)) + ttlMs - Math.max(ttlMs / 20, 0.01 * ttlMs + 500)

  assert.equal(await cli.exit(), 1)
  const lines = readWriterLog(log)
  const lastMs = Math.max(...lines.map((line) => line.uptimeMs))
  assert.ok(lastMs < fenceMs, `the last line came ${lastMs - fenceMs} ms after the hard fence`)
  t.diagnostic(`the last line came ${Math.round(fenceMs - lastMs)} ms before the hard fence`)
  const pids = new Set(lines.map(({ pid }) => pid))
  assert.equal(pids.size, 3)
  for (const pid of pids) assert.equal(processState(pid), undefined, `process ${pid} is there`)
  assert.equal((await cli.said('command_ended'))['exitCode'], 137)
  assert.equal((await cli.said('term_lost'))['reason'], 'store-unreachable')
}

/** When the lease was renewed last, as long since the machine was started. */
function renewedAt(status: ReturnType<typeof observe>): Promise<number> {
  return until('the store is read without delay', async () => {
    const beforeMs = uptimeMs()
    const ageMs = (await status()).lease?.ageMs
    return ageMs !== undefined && uptimeMs() - beforeMs < 100 && beforeMs - ageMs
  })
}

const handOvers = 30

/** How a term is brought to its end, one way after the other. */
const ways = ['resign', 'the command ends', 'SIGTERM'] as const

async function handsOver(t: TestContext, store: StoreUnderTest): Promise<void> {
  const log = createWriterLog(t)
  const flags = ['--store', store.url, '--ttl', '12s', '--heartbeat', '4s']
  flags.push('--attempt-timeout', '2s', '--json')
  let started = 0
  const start = (): Cli => {
    // Every other one has to be killed after its drain.
    const manner = started++ % 2 === 0 ? 'polite' : 'stubborn'
    const command = writerCommand(log, manner)
    return startCli(t, ['run', ...flags, '--drain', '300ms', '--restart', '--', ...command])
  }
  let running = [start(), start()]
  const leaderOf = (token: number): Promise<Cli> =>
    until(
      `somebody leads with token ${token}`,
      () =>
        running.find(({ lines }) =>
          lines.some((line) => line.msg === 'command_started' && line['token'] === token),
        ),
      patienceMs,
    )

  for (let token = 1; token <= handOvers; token++) {
    const leader = await leaderOf(token)
    await untilAllWrite(log, token)
    const way = ways[token % ways.length]
    if (way === 'resign') {
      // With the default times: whoever looks has patience, also where the machine is busy.
      const resign = ['resign', '--store', store.url, '--json', '--cool-down', '500ms']
      const { code, stderr } = await callCli(t, resign)
      assert.equal(code, 0, stderr)
    } else if (way === 'the command ends') {
      leader.process.kill('SIGUSR1')
    } else {
      leader.process.kill('SIGTERM')
      assert.equal(typeof (await leader.exit()), 'number')
      running = [...running.filter((cli) => cli !== leader), start()]
    }
  }
  await leaderOf(handOvers + 1)
  await untilAllWrite(log, handOvers + 1)
  assertNoOverlap(readWriterLog(log))
  await assertHistory(t, store)
}

/** Lines are appended: once a token is there, no lower one comes any more. */
function assertNoOverlap(lines: readonly WriterLine[]): void {
  let token = 0
  for (const [i, line] of lines.entries()) {
    assert.ok(line.token >= token, `line ${i}: token ${line.token} after token ${token}`)
    token = line.token
  }
  assert.deepEqual(
    [...new Set(lines.map((line) => line.token))],
    Array.from({ length: handOvers + 1 }, (_, i) => i + 1),
  )
}

async function assertHistory(t: TestContext, store: StoreUnderTest): Promise<void> {
  const { terms } = await observe(t, store)()
  const reasons = terms.slice(1, handOvers + 1).map(({ reason }) => reason)
  assert.equal(reasons.length, handOvers)
  for (const reason of reasons) assert.ok(reason === 'resigned' || reason === 'stopped', reason)
}
