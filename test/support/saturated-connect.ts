// Connects to a PostgreSQL store again while the thread pool of the process is saturated.
import { pbkdf2 } from 'node:crypto'

import { parseStoreUrl } from '../../src/store/store-url.ts'
import { openStore } from '../../src/store/open-store.ts'

/** Far more than the pool has threads, each for a good part of a second. */
const hashes = 40

const store = await openStore(parseStoreUrl(process.argv[2] ?? ''))
await store.read('scheduler', AbortSignal.timeout(20_000))

let finished = 0
for (let i = 0; i < hashes; i++) {
  pbkdf2('secret', 'salt', 500_000, 64, 'sha512', () => void finished++)
}
const controller = new AbortController()
const read = store.read('scheduler', controller.signal)
// Once the statement is sent, an abort cuts the connection.
setImmediate(() => controller.abort(new Error('cut')))
const error: unknown = await read.catch((reason: unknown) => reason)
if (!(error instanceof Error) || error.message !== 'cut') throw new Error('it was not cut')
await store.read('scheduler', AbortSignal.timeout(20_000))
console.log(finished < hashes / 2 ? 'connected twice' : 'only when the pool was free')
process.exit()
