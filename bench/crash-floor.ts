// The least that a witness could do: it has its connection already, waits at a pipe, and releases.
import { readSync } from 'node:fs'

import { openStore } from '../src/store/open-store.ts'
import { parseStoreUrl } from '../src/store/store-url.ts'

const [url = '', holder = '', token = ''] = process.argv.slice(2)
const lease = 'scheduler'
const signal = AbortSignal.timeout(60_000)
const store = await openStore(parseStoreUrl(url))
await store.read(lease, signal)
process.stdout.write('ready\n')
while (readSync(0, Buffer.alloc(1)) > 0);
await store.tryRelease({ lease, holder, token: Number(token), reason: 'crashed' }, signal)
await store.close()
