import { fstatSync, readdirSync, readFileSync, readSync } from 'node:fs'
import { endianness } from 'node:os'

import { idOf, isSame, type DatabaseFiles } from './database-files.ts'

/** A range of bytes that is locked through one file descriptor. */
interface Range {
  readonly first: number
  readonly last: number
}

/**
 * The bytes that SQLite locks (sqlite.org/walformat.html, os_unix.c): in the database one of those
 * that readers share, as long as a connection is open; in `-shm` the last, likewise, and the ones
 * before while a transaction is open.
 */
const sharedByte = 1_073_741_826
const deadManByte = 128
const transactionBytes: Range = { first: 120, last: 127 }

/** The header of the `-wal`, and of each page in it, in bytes (sqlite.org/fileformat2.html#walformat). */
const logHeaderBytes = 32
const frameHeaderBytes = 24

/**
 * What this process has open of the files of a database. SQLite's descriptors are only looked at:
 * POSIX locks are the process's, and closing any descriptor of a file takes all of them away.
 */
export class OpenDescriptors {
  readonly #files: DatabaseFiles
  #database: readonly number[] = []
  #sharedMemory: readonly number[] = []
  #log: readonly number[] = []

  constructor(files: DatabaseFiles) {
    this.#files = files
  }

  /**
   * Whether the files that are there are open, as far as the system tells. SQLite takes a `-shm` from
   * another connection of the process, wherever that has found it.
   */
  areOfFiles(): boolean {
    try {
      this.#scan()
      const others = [this.#sharedMemory, this.#log]
      return this.#database.length === 0 || others.every((fds) => fds.length > 0)
    } catch {
      // No /dev/fd here, or no descriptor left to read it with: nothing is known.
      return true
    }
  }

  /**
   * Whether the locks that SQLite believes to hold are gone. When anything in the process closes a
   * descriptor of its own, such as after having copied the file, SQLite does not learn of it; whoever
   * then opens and closes the database as its only user removes `-wal` and `-shm` under us.
   *
   * To be called with a transaction open. Linux shows the locks of each descriptor
   * (proc_pid_fdinfo(5)): those of the transaction show whether it does so here. Where not even they
   * are to be seen, nothing is known, and nothing has been lost.
   */
  areLocksLost(): boolean {
    if (process.platform !== 'linux') return false
    try {
      if (this.#areLocksSeen()) return false
      // SQLite may hold them through another descriptor by now: that of another connection.
      this.#scan()
      return !this.#areLocksSeen() && rangesOf(this.#sharedMemory).some(isOfTransaction)
    } catch {
      // No /proc here, or no descriptor left to read it with.
      return false
    }
  }

  /** How long the `-wal` has to be for all that its index knows of; `undefined`: unknown. */
  logBytes(): bigint | undefined {
    const fd = this.#sharedMemory.find((each) => isOf(each, this.#files.sharedMemory))
    if (fd === undefined) return undefined
    const header = new DataView(new ArrayBuffer(20))
    readSync(fd, header, 0, header.byteLength, 0)
    const isLittle = endianness() === 'LE'
    // A page of 65,536 bytes is written as 1.
    const pageBytes = header.getUint16(14, isLittle)
    const frameBytes = frameHeaderBytes + (pageBytes === 1 ? 65_536 : pageBytes)
    const frames = header.getUint32(16, isLittle)
    return frames === 0 ? 0n : BigInt(logHeaderBytes + frames * frameBytes)
  }

  #areLocksSeen(): boolean {
    const { database, sharedMemory } = this.#files
    return (
      rangesOf(this.#database.filter((fd) => isOf(fd, database))).some(has(sharedByte)) &&
      rangesOf(this.#sharedMemory.filter((fd) => isOf(fd, sharedMemory))).some(has(deadManByte))
    )
  }

  #scan(): void {
    const { database, log, sharedMemory } = this.#files
    const open = readdirSync('/dev/fd').map((name) => ({
      fd: Number(name),
      id: idOfFd(Number(name)),
    }))
    const fdsOf = (file: typeof database): number[] =>
      open.filter(({ id }) => id !== undefined && isSame(id, file)).map(({ fd }) => fd)
    this.#database = fdsOf(database)
    this.#log = fdsOf(log)
    this.#sharedMemory = fdsOf(sharedMemory)
  }
}

function rangesOf(fds: readonly number[]): Range[] {
  return fds.flatMap((fd) => {
    const lines = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1').matchAll(
      /^lock:.* POSIX .* (\d+) (\d+|EOF)$/gm,
    )
    return Array.from(lines, ([, first, last]) => ({
      first: Number(first),
      last: last === 'EOF' ? Infinity : Number(last),
    }))
  })
}

function has(byte: number): (range: Range) => boolean {
  return ({ first, last }) => first <= byte && byte <= last
}

function isOfTransaction({ first, last }: Range): boolean {
  return first <= transactionBytes.last && last >= transactionBytes.first
}

/** Which file a descriptor is of; `undefined` if it is not open any more. */
function idOfFd(fd: number): ReturnType<typeof idOf> | undefined {
  try {
    return idOf(fstatSync(fd, { bigint: true }))
  } catch {
    return undefined
  }
}

function isOf(fd: number, file: ReturnType<typeof idOf>): boolean {
  const id = idOfFd(fd)
  return id !== undefined && isSame(id, file)
}
