// A store of one's own, as an application may bring it, that fails as a file tells it to.
import { existsSync, readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

import type { LeaseStore } from '../../src/index.ts'
import { SqliteLeaseStore } from '../../src/store/sqlite/sqlite-store.ts'

/**
 * - `throw`: an exception that nobody catches; `hang`: no answer, also not to the signal
 * - `stray`: tells the main thread what no heart says, as a worker of another version might
 * - `foreign`: posts to it what is no message of Tenure's, as Node.js does with `--watch`
 */
export type Fault = 'throw' | 'hang' | 'reject' | 'stray' | 'foreign'

export interface FaultyStoreOptions {
  readonly path: string
  /** A file that holds the fault in force, if there is one. */
  readonly faultPath: string
}

export function openLeaseStore({ path, faultPath }: FaultyStoreOptions): LeaseStore {
  const store = new SqliteLeaseStore({ path })
  const tryRenew: LeaseStore['tryRenew'] = (request, signal) => {
    const fault = existsSync(faultPath) ? (readFileSync(faultPath, 'utf8') as Fault) : undefined
    if (fault === 'reject') return Promise.reject(new Error('rejected by the store'))
    if (fault === 'stray') {
      const line = { event: 'of_a_later_version', timeMs: 0, fields: {} }
      parentPort?.postMessage({ tenure: { kind: 'lines', lines: [line] } })
      parentPort?.postMessage({ tenure: null })
    }
    if (fault === 'foreign') {
      for (const posted of [null, 'x', 1n, [], { kind: 'stopped' }, { 'watch:import': ['/x'] }]) {
        parentPort?.postMessage(posted)
      }
    }
    if (fault === undefined || fault === 'stray' || fault === 'foreign')
      return store.tryRenew(request, signal)
    if (fault === 'throw') {
      setImmediate(() => {
        throw new Error('thrown by the store')
      })
    }
    return new Promise(() => {})
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
    close: () => store.close(),
  }
}
