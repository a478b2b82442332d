import assert from 'node:assert/strict'

import type {
  AcquireReply,
  AcquireRequest,
  LeaseStore,
  PushListener,
  RenewReply,
  RenewRequest,
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
  options: Partial<RenewRequest> = {},
): Promise<RenewReply> {
  return store.tryRenew({ lease: 'scheduler', holder, token, ttlMs, ...options }, patience())
}

/** One attempt to release. */
export async function release(store: LeaseStore, holder: string, token: number): Promise<string> {
  const request = { lease: 'scheduler', holder, token, reason: 'resigned' } as const
  return (await store.tryRelease(request, patience())).kind
}

/** Listens for the next push; resolves when pushes come from now on. */
export async function nextPush(
  store: LeaseStore,
  lease = 'scheduler',
): Promise<{ pushed: Promise<void>; end: () => void }> {
  const works = Promise.withResolvers<void>()
  const pushed = Promise.withResolvers<void>()
  const fail = (error: unknown): void => {
    works.reject(error)
    pushed.reject(error)
  }
  pushed.promise.catch(() => {})
  const listener: PushListener = {
    changed: pushed.resolve,
    renewed: () => {},
    works: () => works.resolve(),
    failed: fail,
  }
  const end = store.watch(lease, listener)
  patience().addEventListener('abort', () => fail(new Error('no push came')), { once: true })
  await works.promise
  return { pushed: pushed.promise, end }
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
