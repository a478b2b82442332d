import { utimesSync, watch, writeFileSync, type FSWatcher } from 'node:fs'
import { basename, dirname } from 'node:path'

import type { Clock } from '../../clock.ts'
import type { PushListener } from '../lease-store.ts'

/**
 * The push of a store that has no server: a file beside the database, whose time is set when a
 * lease was released. Its folder is watched, because the file may not exist yet.
 *
 * The file holds nothing, and waking is a hint: whoever misses it waits out the remaining time.
 */
export class WakeFile {
  readonly #path: string
  readonly #clock: Clock
  readonly #watchers = new Set<FSWatcher>()

  constructor(databasePath: string, clock: Clock) {
    this.#path = `${databasePath}-wake`
    this.#clock = clock
  }

  /** Wakes all who watch. */
  touch(): void {
    const time = this.#clock.wallMs() / 1e3
    try {
      utimesSync(this.#path, time, time)
    } catch {
      try {
        writeFileSync(this.#path, '')
      } catch {
        // The release itself has succeeded, and waiting candidates come by when time is up.
      }
    }
  }

  watch(listener: PushListener): () => void {
    let watcher: FSWatcher
    try {
      watcher = watch(dirname(this.#path), { persistent: false })
    } catch (error) {
      // Such as ENOSPC where the system's limit of watches is reached (inotify(7)).
      listener.failed(error)
      return () => {}
    }
    const name = basename(this.#path)
    watcher.on('change', (_kind, filename) => {
      if (filename === null || String(filename) === name) listener.changed()
    })
    watcher.on('error', (error) => {
      listener.failed(error)
      watcher.close()
    })
    this.#watchers.add(watcher)
    listener.works()
    return () => {
      this.#watchers.delete(watcher)
      watcher.close()
    }
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers.clear()
  }
}
