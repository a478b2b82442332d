// A store of one's own, on SQLite, that does not let go: by `how`, once the file `path` is there.
import { existsSync, openSync } from 'node:fs'

import type { LeaseStore } from '../../src/index.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'

/**
 * - `open`: it is never open; `close`: it is never closed, and its timer goes on
 * - `loop`: a renewal blocks its thread; `disk`: so that nothing can end that, as by a disk that hangs
 */
export type Hanging = 'open' | 'close' | 'loop' | 'disk'

export interface HangingStoreOptions {
  readonly path: string
  readonly how: Hanging
  /** Named pipe that nobody writes to, whose opening blocks. */
  readonly pipe: string
  /** Hangs from when this file is there. */
  readonly flag: string
}

export function openLeaseStore(options: HangingStoreOptions): LeaseStore | Promise<LeaseStore> {
  const { path, how, pipe, flag } = options
  if (how === 'open') return new Promise(() => {})
  const store = new SqliteLeaseStore({ path })
  return {
    ttlMsMin: store.ttlMsMin,
    tryRenew: (request, signal) => {
      if (existsSync(flag) && how === 'disk') openSync(pipe, 'r')
      if (existsSync(flag) && how === 'loop') for (;;);
      return store.tryRenew(request, signal)
    },
    tryAcquire: (request, signal) => store.tryAcquire(request, signal),
    tryRelease: (request, signal) => store.tryRelease(request, signal),
    tryRequestResign: (lease, request, signal) => store.tryRequestResign(lease, request, signal),
    tryRaiseToken: (lease, token, signal) => store.tryRaiseToken(lease, token, signal),
    tryNoteEnd: (lease, ended, signal) => store.tryNoteEnd(lease, ended, signal),
    read: (lease, signal) => store.read(lease, signal),
    watch: (lease, listener) => store.watch(lease, listener),
    async close() {
      if (how !== 'close') return store.close()
      setInterval(() => {}, 1_000)
      await new Promise(() => {})
    },
  }
}
