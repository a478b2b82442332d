import assert from 'node:assert/strict'

import type {
  AcquireReply,
  AcquireRequest,
  LeaseStore,
  PushListener,
  RenewReply,
} from '../../store/lease-store.ts'

/** The ttl of the leases of this kit. */
export const ttlMs = 20_000
/** Bounds what waits for an event; far beyond what it takes, so that it never decides a test. */
const patienceMs = 10_000

/** The wishes of a candidate of this kit. */
export function acquisition(holder: string, options: Partial<AcquireRequest> = {}): AcquireRequest {
  return {
    lease: 'scheduler',
    holder,
    ttlMs,
    application: 'kit',
    label: undefined,
    observed: undefined,
    ...options,
  }
}

/** A signal that ends a wait which has become pointless. */
export function patience(): AbortSignal {
  return AbortSignal.timeout(patienceMs)
}

/** One attempt to acquire. */
export async function acquire(
  store: LeaseStore,
  holder: string,
  options: Partial<AcquireRequest> = {},
): Promise<AcquireReply> {
  return store.tryAcquire(acquisition(holder, options), patience())
}

/** Acquires, and expects to be granted. */
export async function lead(
  store: LeaseStore,
  holder: string,
  options: Partial<AcquireRequest> = {},
): Promise<number> {
  const reply = await acquire(store, holder, options)
  assert.equal(reply.kind, 'acquired', `${holder} should have been granted the lease`)
  return reply.kind === 'acquired' ? reply.token : 0
}

/** One attempt to renew. */
export async function renew(
  store: LeaseStore,
  holder: string,
  token: number,
  lease = 'scheduler',
): Promise<RenewReply> {
  return store.tryRenew({ lease, holder, token, ttlMs }, patience())
}

/** One attempt to release. */
export async function release(store: LeaseStore, holder: string, token: number): Promise<string> {
  const request = { lease: 'scheduler', holder, token, reason: 'resigned' } as const
  return (await store.tryRelease(request, patience())).kind
}

/** Listens for the next push. */
export function nextPush(
  store: LeaseStore,
  lease = 'scheduler',
): {
  pushed: Promise<void>
  end: () => void
} {
  let end = (): void => {}
  const pushed = new Promise<void>((resolve, reject) => {
    const listener: PushListener = {
      changed: resolve,
      renewed: () => {},
      works: () => {},
      failed: reject,
    }
    end = store.watch(lease, listener)
    patience().addEventListener('abort', () => reject(new Error('no push came')), { once: true })
  })
  return { pushed, end: () => end() }
}

/** Rejections with an abort, so that a case can tell them from other faults. */
export async function rejectionOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error
  }
  return assert.fail('expected the call to reject')
}

/** A listener that counts. */
export function countPushes(): { push: PushListener; count: () => number } {
  let pushes = 0
  return {
    push: {
      changed: () => void pushes++,
      renewed: () => {},
      works: () => {},
      failed: () => {},
    },
    count: () => pushes,
  }
}

/** A record without what changes as time passes. */
export function withoutAge(record: object | undefined): object | undefined {
  return record && { ...record, ageMs: undefined, remainingMs: undefined }
}
