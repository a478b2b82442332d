// Makes one attempt to acquire, as a process of its own.
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'

const [path = '', holder = ''] = process.argv.slice(2)
const store = new SqliteLeaseStore({ path })
const reply = await store.tryAcquire(
  {
    lease: 'scheduler',
    holder,
    ttlMs: 20_000,
    application: 'test',
    label: undefined,
    observed: undefined,
  },
  AbortSignal.timeout(30_000),
)
process.stdout.write(reply.kind === 'acquired' ? `acquired ${reply.token}` : `held`)
await store.close()
