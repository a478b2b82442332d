// The store that the instances of a run of chaos open: the real one, in a thread that can be told to
// die or to stand still, and which can be planted with a bug.
import type { LeaseStore } from '../../src/index.ts'
import { openStore } from '../../src/store/open-store.ts'
import { parseStoreUrl } from '../../src/store-url.ts'

/** What the main thread orders: an index into the shared words. */
export const order = { die: 0, standStillMs: 1 } as const

/** - `renew by name`: whoever holds the lease is renewed, as long as somebody does. */
export type PlantedBug = 'renew by name'

export interface ChaosStoreOptions {
  readonly url: string
  /** Two Int32, by `order`; the thread sets a word back once it obeys. */
  readonly orders: SharedArrayBuffer
  readonly bug: PlantedBug | undefined
}

export async function openLeaseStore(options: ChaosStoreOptions): Promise<LeaseStore> {
  const store = await openStore(parseStoreUrl(options.url))
  const orders = new Int32Array(options.orders)
  const obey = setInterval(() => {
    if (Atomics.exchange(orders, order.die, 0) === 1) throw new Error('thrown by the store')
    const ms = Atomics.exchange(orders, order.standStillMs, 0)
    if (ms > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
  }, 10).unref()
  const tryRenew: LeaseStore['tryRenew'] = async (request, signal) => {
    if (options.bug === undefined) return store.tryRenew(request, signal)
    const { record } = await store.read(request.lease, signal)
    const { holder, token } = record ?? request
    return store.tryRenew({ ...request, holder, token }, signal)
  }
  return {
    ttlMsMin: store.ttlMsMin,
    tryRenew,
    tryAcquire: (request, signal) => store.tryAcquire(request, signal),
    tryRelease: (request, signal) => store.tryRelease(request, signal),
    tryRequestResign: (lease, request, signal) => store.tryRequestResign(lease, request, signal),
    tryNoteEnd: (lease, ended, signal) => store.tryNoteEnd(lease, ended, signal),
    read: (lease, signal) => store.read(lease, signal),
    watch: (lease, listener) => store.watch(lease, listener),
    close: () => {
      clearInterval(obey)
      return store.close()
    },
  }
}
