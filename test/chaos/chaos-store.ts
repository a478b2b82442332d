// The store that the instances of a run of chaos open: the real one, in a thread that can be told to
// die or to stand still, and which can be planted with a bug.
import { BroadcastChannel, isMainThread } from 'node:worker_threads'

import type { LeaseStore } from '../../src/index.ts'
import { openStore } from '../../src/store/open-store.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'

/** Where the main thread orders its heart to `die`, or for how many milliseconds to stand still. */
export const orderChannel = 'tenure-chaos-order'

/** To end, or to stand still for so many milliseconds. */
export type Order = 'die' | number

/** - `renew by name`: whoever holds the lease is renewed, as long as somebody does. */
export type PlantedBug = 'renew by name'

export interface ChaosStoreOptions {
  readonly url: string
  readonly bug: PlantedBug | undefined
}

export async function openLeaseStore(options: ChaosStoreOptions): Promise<LeaseStore> {
  const store = await openStore(parseStoreUrl(options.url))
  // The main thread opens it as well, to read the status, and is not ordered.
  const orders = isMainThread ? undefined : new BroadcastChannel(orderChannel)
  orders?.unref()
  orders?.addEventListener('message', (event) => obey((event as unknown as { data: Order }).data))
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
    tryRaiseToken: (lease, token, signal) => store.tryRaiseToken(lease, token, signal),
    read: (lease, signal) => store.read(lease, signal),
    watch: (lease, listener) => store.watch(lease, listener),
    close: () => {
      orders?.close()
      return store.close()
    },
  }
}

function obey(order: Order): void {
  if (order !== 'die') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, order)
  else
    setImmediate(() => {
      throw new Error('thrown by the store')
    })
}
