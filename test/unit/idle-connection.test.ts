import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { nextTurn } from '../../src/clock.ts'
import { IdleConnection } from '../../src/instance/idle-connection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** A connection that counts how often it was opened and closed. */
function counted(): {
  connection: IdleConnection<{ close(): Promise<void> }>
  clock: FakeClock
  counts: { opened: number; closed: number }
} {
  const clock = new FakeClock()
  const counts = { opened: 0, closed: 0 }
  const open = async (): Promise<{ close(): Promise<void> }> => {
    counts.opened++
    return { close: async () => void counts.closed++ }
  }
  return { connection: new IdleConnection(open, clock), clock, counts }
}

/** Lets time pass, and what was due come to its end. */
async function passes(clock: FakeClock, ms: number): Promise<void> {
  clock.advance(ms)
  await nextTurn()
}

describe('a connection that is used now and then', () => {
  test('is not idle while it is used, however long that takes, and by however many', async () => {
    const { connection, clock, counts } = counted()
    const [first, second] = [Promise.withResolvers<string>(), Promise.withResolvers<string>()]
    const uses = [connection.use(() => first.promise), connection.use(() => second.promise)]
    await passes(clock, 60_000)
    assert.deepEqual(counts, { opened: 1, closed: 0 })
    first.resolve('one')
    await uses[0]
    await passes(clock, 60_000)
    assert.deepEqual(counts, { opened: 1, closed: 0 })
    second.resolve('two')
    assert.deepEqual(await Promise.all(uses), ['one', 'two'])
    await passes(clock, 9_000)
    assert.deepEqual(counts, { opened: 1, closed: 0 })
    await passes(clock, 2_000)
    assert.deepEqual(counts, { opened: 1, closed: 1 })
  })

  test('is used again before it was idle for long, and opened again after it', async () => {
    const { connection, clock, counts } = counted()
    for (let uses = 0; uses < 3; uses++) {
      await connection.use(async () => {})
      await passes(clock, 9_000)
    }
    assert.deepEqual(counts, { opened: 1, closed: 0 })
    await passes(clock, 9_000)
    await assert.rejects(
      connection.use(() => Promise.reject(new Error('used in vain'))),
      /vain/,
    )
    assert.deepEqual(counts, { opened: 2, closed: 1 })
    await connection.close()
    await passes(clock, 60_000)
    assert.deepEqual(counts, { opened: 2, closed: 2 })
  })
})
