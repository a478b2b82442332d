import {
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  type BigIntStats,
} from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

import { TenureError } from '../../errors.ts'

/** What tells one file from all others, as long as somebody has it open. */
export interface FileId {
  readonly device: bigint
  readonly inode: bigint
}

/** A file as it was when it was opened. */
interface OneFile {
  readonly path: string
  readonly stats: BigIntStats
}

/** How many symbolic links of one path are followed; Linux follows as many. */
const linksMax = 40

/**
 * The three files of a database that is open, and whether they are still where others find them.
 *
 * SQLite's locks hold only among those who share the database, its `-wal` and its `-shm`. Where one
 * of the three is removed or replaced, whoever opens the database next shares nothing with us: two
 * could hold the same lease. Inode numbers are not used again while a file is open, and neither are
 * the device numbers of a file system, so that the two tell for certain.
 */
export class DatabaseFiles {
  readonly realPath: string
  readonly #files: readonly OneFile[]
  readonly #database: OneFile
  readonly #log: OneFile
  readonly #index: OneFile
  #links: bigint
  #logSize: bigint
  /** Whether the `-wal` lacks what its index knows of. */
  #isLogSpoilt = false
  #indexSize: bigint

  /** To be called while a connection has all three open. */
  constructor(path: string) {
    this.realPath = realPathOf(path)
    // The path that was given leads to what others open; what they put beside it is beside the real
    // one. The two may come apart: a file can be moved, and the link to it can follow.
    const given = path === this.realPath ? [] : [path]
    const paths = [this.realPath, `${this.realPath}-wal`, `${this.realPath}-shm`, ...given]
    this.#files = paths.map((each) => {
      const stats = look(each)
      if (stats === undefined) throw changedError(path, `${each} is gone`)
      return { path: each, stats }
    })
    const [database, log, index] = this.#files
    if (!database || !log || !index) throw changedError(path, 'one of the three is gone')
    this.#database = database
    this.#log = log
    this.#index = index
    this.#links = database.stats.nlink
    this.#logSize = log.stats.size
    this.#indexSize = index.stats.size
  }

  get database(): FileId {
    return idOf(this.#database.stats)
  }

  get log(): FileId {
    return idOf(this.#log.stats)
  }

  get sharedMemory(): FileId {
    return idOf(this.#index.stats)
  }

  /** How many names the database had when it was looked at last. */
  get links(): bigint {
    return this.#links
  }

  /**
   * What is not as it was, in words; `undefined` if all is.
   *
   * @param logBytes how long the `-wal` has to be, if that is known: asked when it has become shorter
   */
  findChange(logBytes: () => bigint | undefined): string | undefined {
    for (const { path, stats } of this.#files) {
      // A link in the place of the real file leads to one beside which others put a `-wal` of their own.
      const now = path === this.realPath ? lookAtItself(path) : look(path)
      if (now === undefined) return `${path} is gone`
      if (!isSame(idOf(now), idOf(stats))) return `${path} is another file`
      const isCut =
        path === this.#log.path
          ? this.#isLogCut(now.size, logBytes)
          : path === this.#index.path
            ? this.#isIndexCut(now.size)
            : now.size === 0n
      if (isCut) return `${path} was cut off`
      if (path === this.realPath) this.#links = now.nlink
    }
    return undefined
  }

  /**
   * Whoever checkpoints may empty the `-wal`, and then its index is empty before it. Both are looked at
   * again, for somebody may do so between the two looks.
   */
  #isLogCut(size: bigint, logBytes: () => bigint | undefined): boolean {
    const isShorter = size < this.#logSize
    this.#logSize = size
    if (!isShorter || (logBytes() ?? 0n) <= size) return false
    return this.isLogShort(logBytes)
  }

  /** Whether the `-wal` lacks what its index knows of. */
  isLogShort(logBytes: () => bigint | undefined): boolean {
    this.#isLogSpoilt = (logBytes() ?? 0n) > (look(this.#log.path)?.size ?? 0n)
    return this.#isLogSpoilt
  }

  #isIndexCut(size: bigint): boolean {
    if (size < this.#indexSize) return true
    this.#indexSize = size
    return false
  }

  /** Whether these are the very same files as those. */
  isSameAs(other: DatabaseFiles): boolean {
    return this.#files.every(({ path, stats }) =>
      other.#files.some((file) => file.path === path && isSame(idOf(file.stats), idOf(stats))),
    )
  }

  /**
   * Removes what is left at its place of files that do not belong together any more: the `-shm` is the
   * index of one `-wal`, and that belongs to one database. SQLite would take them for another's.
   *
   * @param isSpoilt whether they do not belong together though all three are there
   */
  removeRemains(isSpoilt: boolean): void {
    const isThere = ({ path, stats }: OneFile): boolean => {
      const now = fileAt(path)
      return now !== undefined && isSame(now, idOf(stats))
    }
    const isEmptied = isEmpty(this.realPath)
    const isDatabaseOurs = isThere(this.#database) && !isEmptied
    const isLogOurs = isThere(this.#log)
    if (isThere(this.#index) && (isSpoilt || this.#isLogSpoilt || !isDatabaseOurs || !isLogOurs)) {
      rmSync(this.#index.path)
    }
    if (isLogOurs && !isDatabaseOurs && !isEmptied) rmSync(this.#log.path)
  }

  /**
   * Gives a `-shm` that was cut off its length back. It is mapped into memory: whoever touches a page
   * that is not there is ended by the system (SIGBUS), and closing a connection touches it.
   */
  restoreLength(): void {
    const { path, stats } = this.#index
    const now = look(path)
    if (now !== undefined && isSame(idOf(now), idOf(stats)) && now.size < this.#indexSize) {
      truncateSync(path, Number(this.#indexSize))
    }
  }
}

/** Whether two are one. */
export function isSame(a: FileId, b: FileId): boolean {
  return a.inode === b.inode && a.device === b.device
}

/** What tells a file from others. */
export function idOf({ dev, ino }: BigIntStats): FileId {
  return { device: dev, inode: ino }
}

/** Whether an error says that the files are not those any more that were opened. */
export function isChanged(error: unknown): error is TenureError {
  return error instanceof TenureError && error.code === 'TENURE_ERR_STORE_FILES_CHANGED'
}

/** The error of a call that has found the files changed. */
export function changedError(path: string, change: string, cause?: unknown): TenureError {
  return new TenureError(
    'TENURE_ERR_STORE_FILES_CHANGED',
    `Expected that nobody else removes, replaces or unlocks ${path}, its -wal or its -shm while ` +
      `it is in use; got: ${change}. See docs/stores/sqlite.md.`,
    cause === undefined ? undefined : { cause },
  )
}

/** Whether there is no file, or an empty one; `false` where that cannot be told. */
export function isEmpty(path: string): boolean {
  try {
    return (look(path)?.size ?? 0n) === 0n
  } catch {
    return false
  }
}

/** Which file is there; `undefined` if there is none, or that cannot be told. */
export function fileAt(path: string): FileId | undefined {
  try {
    const stats = look(path)
    return stats && idOf(stats)
  } catch {
    return undefined
  }
}

/**
 * Whether somebody has removed some of the files of a database that was in use, and perhaps still is.
 * SQLite makes the database first, then `-wal`, then `-shm`, and removes the last two the other way
 * round. What is left of it is no part of what is made now; a `-shm` would even spoil that, as its
 * index is of another `-wal`.
 */
export function clearTraces(path: string): boolean {
  const realPath = realPathOf(path)
  const exists = (suffix: string): boolean => fileAt(`${realPath}${suffix}`) !== undefined
  const isTrace = isEmpty(path)
    ? exists('-wal') || exists('-shm')
    : exists('-shm') && !exists('-wal')
  if (isTrace) rmSync(`${realPath}-shm`, { force: true })
  return isTrace
}

/**
 * Makes the file, readable and writable by its owner only: what it records of jobs and their errors
 * is for nobody else. SQLite gives `-wal` and `-shm` the rights of the database. The rights of a
 * file that is there are left alone, so that users of one group may share it on purpose.
 */
export function createFile(path: string): void {
  try {
    closeSync(openSync(realPathOf(path), 'wx', 0o600))
  } catch {
    // It is there, or cannot be made; SQLite says why, and more clearly.
  }
}

/** Where symbolic links lead, also if there is no file there yet. */
export function realPathOf(path: string): string {
  let place = path
  for (let links = 0; links < linksMax; links++) {
    try {
      return realpathSync(place)
    } catch {
      try {
        place = join(realpathSync(dirname(place)), basename(place))
        if (!lstatSync(place).isSymbolicLink()) return place
        place = resolve(dirname(place), readlinkSync(place))
      } catch {
        return place
      }
    }
  }
  return place
}

/**
 * @throws TenureError `TENURE_ERR_STORE_UNUSABLE` if the file has a second name. Whoever opened it
 *   there would have a `-wal` and a `-shm` of his own, and share none of our locks.
 */
export function checkOneName(path: string): void {
  const realPath = realPathOf(path)
  const links = linksOf(realPath)
  const found =
    links > 1n
      ? `a file with ${links} names (hard links)`
      : isMountPoint(realPath)
        ? 'a file that is mounted by itself, such as by `docker run -v ./tenure.db:/data/tenure.db`'
        : undefined
  if (found === undefined) return
  throw new TenureError(
    'TENURE_ERR_STORE_UNUSABLE',
    `Expected ${path} to be a file with one name; got ${found}. Instances that open it by different ` +
      "names do not share SQLite's locks, and could lead at the same time. Remove the other name, or " +
      'mount the folder instead of the file.',
  )
}

/** Where that cannot be told, the first attempt to open the file says why. */
function linksOf(path: string): bigint {
  try {
    const stats = look(path)
    // A folder in its place has a link from each folder in it.
    return stats?.isFile() === true ? stats.nlink : 1n
  } catch {
    return 1n
  }
}

/** Only Linux tells. */
function isMountPoint(realPath: string): boolean {
  let table: string
  try {
    table = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return false
  }
  // The fifth field, in which space, tab, newline and backslash are octal (proc_pid_mountinfo(5)).
  const escaped = realPath.replace(
    /[\s\\]/g,
    (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, '0')}`,
  )
  return table.split('\n').some((line) => line.split(' ')[4] === escaped)
}

/** `undefined` where there is no file; throws where that cannot be told. */
function look(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false })
}

/** The same, of a symbolic link itself. */
function lookAtItself(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}
