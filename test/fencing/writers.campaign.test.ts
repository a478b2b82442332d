// Processes that write though another leads: frozen between the check and the commit, deaf to their
// signal, or in the middle of a long transaction. Each also without the fence, where late writes show.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'

import { commitOrderSettings } from '../support/fenced-resource.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { missing } from '../support/programs.ts'
import type { StoreName } from '../support/test-store.ts'
import { until } from '../support/until.ts'
import { Writers, type Writer } from '../support/writers.ts'

/** What a test works with. */
interface Both {
  readonly first: Writer
  readonly second: Writer
  readonly writers: Writers
}

/** Two writers, of which the first leads and the second is a candidate, ended after the work. */
async function withWriters(
  { on, fenced, server }: { on: StoreName; fenced: boolean; server: PostgresServer | undefined },
  work: (both: Both) => Promise<void>,
): Promise<void> {
  const writers = await Writers.open(on, fenced, server)
  try {
    await work({ ...(await writers.start()), writers })
  } finally {
    await writers.end()
  }
}

/** No token comes after a higher one; `lateTokens` are those that do. */
function lateTokens(tokens: readonly number[]): number[] {
  return tokens.filter((token, i) => tokens.slice(0, i).some((before) => before > token))
}

for (const on of ['PostgreSQL', 'SQLite'] as const) {
  describe(`on ${on}`, { skip: on === 'PostgreSQL' && missing('postgres'), concurrency: 2 }, () => {
    let server: PostgresServer | undefined

    before(async () => {
      if (on === 'PostgreSQL') {
        server = await PostgresServer.start({ settings: commitOrderSettings })
      }
    })
    after(() => server?.end())

    const fencedWriters = (work: (both: Both) => Promise<void>): Promise<void> =>
      withWriters({ on, fenced: true, server }, work)
    const control = (work: (both: Both) => Promise<void>): Promise<void> =>
      withWriters({ on, fenced: false, server }, work)

    describe('a writer that is frozen between its check and its commit', () => {
      test('holds up fenced writes, but no takeover and no heartbeat, and its write comes first', () =>
        fencedWriters(async ({ first, second, writers }) => {
          await first.freezeAt('checked')
          const { token } = await second.next('acquired')
          assert.equal(token, 2)
          const before = await writers.renewals()
          assert.equal(await second.write(), 'TENURE_ERR_FENCE_TIMEOUT')
          await until('the second one renews', async () => (await writers.renewals()) > before + 1)
          assert.deepEqual(second.said('lost'), [])
          first.signal('SIGCONT')
          assert.equal((await first.next('over')).outcome, 'committed')
          assert.equal(await second.write(), 'committed')
          assert.deepEqual(await writers.application.tokens(), [1, 2])
        }))

      test('without the fence writes over what its successor has written', () =>
        control(async ({ first, second, writers }) => {
          await first.freezeAt('checked')
          await second.next('acquired')
          assert.equal(await second.write(), 'committed')
          first.signal('SIGCONT')
          assert.equal((await first.next('over')).outcome, 'committed')
          assert.deepEqual(await writers.application.tokens(), [2, 1])
        }))
    })

    describe('a writer that is frozen between its look at the lease and its first statement', () => {
      test('is refused by the database', () =>
        fencedWriters(async ({ first, second, writers }) => {
          await first.freezeAt('looked')
          await second.next('acquired')
          assert.equal(await second.write(), 'committed')
          first.signal('SIGCONT')
          assert.equal((await first.next('over')).outcome, 'TENURE_ERR_FENCED')
          assert.equal(await second.write(), 'committed')
          assert.deepEqual(await writers.application.tokens(), [2, 2])
        }))

      test('without the fence writes over what its successor has written', () =>
        control(async ({ first, second, writers }) => {
          await first.freezeAt('looked')
          await second.next('acquired')
          assert.equal(await second.write(), 'committed')
          first.signal('SIGCONT')
          assert.equal((await first.next('over')).outcome, 'committed')
          assert.deepEqual(await writers.application.tokens(), [2, 1])
        }))
    })

    /** The first writer gives the lease up, and goes on writing as if nothing had happened. */
    async function writeStubbornly({ first, second }: Both): Promise<void> {
      first.send({ do: 'write', how: { stubbornly: true } })
      await first.next('over')
      first.send({ do: 'resign' })
      await first.next('aborted')
      await second.next('acquired')
      await until('the second one has written', async () => {
        return (await second.write()) === 'committed'
      })
      const before = first.said('over').length
      await until('the first one has gone on', () => first.said('over').length > before + 5)
      first.send({ do: 'stop writing' })
    }

    describe('a writer that ignores its signal', () => {
      test('is refused, again and again', () =>
        fencedWriters(async (both) => {
          await writeStubbornly(both)
          const { first, second, writers } = both
          assert.equal(await second.write(), 'committed')
          const tokens = await writers.application.tokens()
          assert.deepEqual(lateTokens(tokens), [])
          assert.ok(tokens.includes(1) && tokens.includes(2))
          const outcomes = first.said('over').map(({ outcome }) => outcome)
          assert.deepEqual([...new Set(outcomes.slice(-5))], ['TENURE_ERR_NOT_TRUSTED'])
        }))

      test('without the fence writes over what its successor has written', () =>
        control(async (both) => {
          await writeStubbornly(both)
          assert.ok(lateTokens(await both.writers.application.tokens()).length > 0)
        }))
    })

    /** The first writer loses the lease in the middle of a transaction, which goes on: it waits. */
    async function writeLong({ first, second }: Both): Promise<void> {
      first.send({ do: 'write', how: { waitAt: 'checked' } })
      await first.next('waiting')
      first.send({ do: 'resign' })
      await second.next('acquired')
    }

    describe('a long transaction', () => {
      test('is waited for by fenced writes, and by no takeover', () =>
        fencedWriters(async (both) => {
          const { first, second, writers } = both
          await writeLong(both)
          const outcome = second.write()
          if (on === 'SQLite') assert.equal(await outcome, 'TENURE_ERR_FENCE_TIMEOUT')
          else
            await until(
              'the fence is waited for',
              async () => (await writers.application.waiting()) > 0,
            )
          first.send({ do: 'go on' })
          assert.equal((await first.next('over')).outcome, 'committed')
          const later = on === 'SQLite' ? second.write() : outcome
          assert.equal(await later, 'committed')
          assert.deepEqual(await writers.application.tokens(), [1, 2])
        }))

      test('without the fence is committed over what its successor has written', () =>
        control(async (both) => {
          const { first, second, writers } = both
          await writeLong(both)
          assert.equal(await second.write(), 'committed')
          first.send({ do: 'go on' })
          assert.equal((await first.next('over')).outcome, 'committed')
          assert.deepEqual(await writers.application.tokens(), [2, 1])
        }))
    })
  })
}
