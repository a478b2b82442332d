// A store of one's own that counts the calls of another one, over all threads of the process.
import type { LeaseStore } from '../../src/index.ts'
import { openStore } from '../../src/store/open-store.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'

export interface CountingStoreOptions {
  readonly url: string
  /** One Int32, shared by all who open the store. */
  readonly counter: SharedArrayBuffer
}

export async function openLeaseStore(options: CountingStoreOptions): Promise<LeaseStore> {
  const store = await openStore(parseStoreUrl(options.url))
  const counter = new Int32Array(options.counter)
  const count = (): void => void Atomics.add(counter, 0, 1)
  return {
    ttlMsMin: store.ttlMsMin,
    tryAcquire: (request, signal) => (count(), store.tryAcquire(request, signal)),
    tryRenew: (request, signal) => (count(), store.tryRenew(request, signal)),
    tryRelease: (request, signal) => (count(), store.tryRelease(request, signal)),
    tryRequestResign: (lease, request, signal) => (
      count(),
      store.tryRequestResign(lease, request, signal)
    ),
    tryNoteEnd: (lease, ended, signal) => (count(), store.tryNoteEnd(lease, ended, signal)),
    tryRaiseToken: (lease, token, signal) => (count(), store.tryRaiseToken(lease, token, signal)),
    read: (lease, signal) => (count(), store.read(lease, signal)),
    watch: (lease, listener) => store.watch(lease, listener),
    close: () => store.close(),
  }
}
