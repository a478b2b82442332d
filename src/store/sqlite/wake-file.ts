import {
  chmodSync,
  chownSync,
  closeSync,
  openSync,
  rmSync,
  statSync,
  utimesSync,
  watch,
  writeFileSync,
  type FSWatcher,
} from 'node:fs'
import { basename, dirname } from 'node:path'

import type { Clock } from '../../clock.ts'
import type { PushListener } from '../lease-store.ts'
import { fileAt, isSame, realPathOf, type FileId } from './database-files.ts'

/**
 * The push of a store that has no server: a file beside the database, whose time is set when a
 * lease was released. Its folder is watched, because the file may not exist yet; and because what
 * others do to the files of the database shows there at once.
 *
 * - It is beside the real database, so that all who reach that by different links meet.
 * - A watch follows the folder, not its path: `follow` begins anew where another folder has taken
 *   its place.
 * - The file holds nothing, and waking is a hint: whoever misses it waits out the remaining time.
 */
export class WakeFile {
  readonly #path: string
  readonly #clock: Clock
  readonly #listeners = new Set<PushListener>()
  #watcher: FSWatcher | undefined
  #folder: FileId | undefined
  #realPath: string
  /** Whether the listeners have been told that no pushes come. */
  #failed = false

  constructor(databasePath: string, clock: Clock) {
    this.#path = databasePath
    this.#realPath = databasePath
    this.#clock = clock
  }

  /** Wakes all who watch. */
  touch(): void {
    const database = realPathOf(this.#path)
    const path = `${database}-wake`
    const time = this.#clock.wallMs() / 1e3
    try {
      utimesSync(path, time, time)
    } catch {
      try {
        // The time can be set by its owner only; others of a group may write it.
        if (fileAt(path) === undefined) makeLike(database, path)
        writeFileSync(path, '')
      } catch {
        this.#remove(path)
      }
    }
  }

  /** Of a link that leads nowhere, or what is not ours to write, the end wakes all as well. */
  #remove(path: string): void {
    try {
      rmSync(path, { force: true })
    } catch {
      // The release itself has succeeded, and waiting candidates come by when time is up.
    }
  }

  watch(listener: PushListener): () => void {
    this.#listeners.add(listener)
    if (this.#watcher === undefined) this.#watch()
    else listener.works()
    return () => {
      this.#listeners.delete(listener)
      if (this.#listeners.size === 0) this.close()
    }
  }

  /** Watches the folder that is there now. To be called with each look at the lease: it is cheap. */
  follow(): void {
    if (this.#listeners.size === 0) return
    const folder = fileAt(dirname(realPathOf(this.#path)))
    const isSameFolder =
      folder !== undefined && this.#folder !== undefined && isSame(folder, this.#folder)
    if (this.#watcher !== undefined && isSameFolder) return
    this.close()
    this.#watch()
  }

  close(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    this.#folder = undefined
  }

  #watch(): void {
    this.#realPath = realPathOf(this.#path)
    const folder = dirname(this.#realPath)
    let watcher: FSWatcher
    try {
      this.#folder = fileAt(folder)
      watcher = watch(folder, { persistent: false })
    } catch (error) {
      // Such as ENOSPC where the system's limit of watches is reached (inotify(7)).
      return this.#fail(error)
    }
    this.#watcher = watcher
    watcher.on('change', (kind, name) => {
      if (this.#watcher === watcher) this.#heard(kind, name === null ? undefined : String(name))
    })
    watcher.on('error', (error) => {
      if (this.#watcher !== watcher) return
      this.close()
      this.#fail(error)
    })
    this.#failed = false
    for (const listener of this.#listeners) listener.works()
  }

  #heard(kind: string, name: string | undefined): void {
    const database = basename(this.#realPath)
    const isWoken = name === undefined || name === `${database}-wake`
    const isFile = ['', '-wal', '-shm'].some((suffix) => name === `${database}${suffix}`)
    // What happens to the folder itself is told by its own name, and may be all that is ever told.
    const isFolder = name === basename(dirname(this.#realPath))
    if (kind === 'rename' && isFolder) this.follow()
    if (!isWoken && !(kind === 'rename' && (isFile || isFolder))) return
    for (const listener of this.#listeners) listener.changed()
  }

  #fail(error: unknown): void {
    if (this.#failed) return
    this.#failed = true
    for (const listener of this.#listeners) listener.failed(error)
  }
}

/** Makes a file that the same users may write as the database. */
function makeLike(database: string, path: string): void {
  const { mode, uid, gid } = statSync(database)
  closeSync(openSync(path, 'a', mode & 0o666))
  chmodSync(path, mode & 0o666)
  // As SQLite does with `-wal` and `-shm`.
  if (process.geteuid?.() === 0) chownSync(path, uid, gid)
}
