import { writeSync } from 'node:fs'
import { deserialize, serialize } from 'node:v8'

import type { ResolvedStore } from '../options.ts'

/** What a witness needs to know once: plain data, which may hold secrets, and goes by pipe only. */
export interface WitnessConfig {
  /** The process whose death it waits for. */
  readonly pid: number
  readonly lease: string
  readonly store: ResolvedStore
  /** The variables of that process, for the store's client. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What the process holds, or may hold: what its witness shall release. */
export interface Held {
  readonly holder: string
  /** `undefined` while the acquisition is under way. */
  readonly token: number | undefined
  readonly ttlMs: number
}

/** A value as a word of one line, which a shell hands on as it is. */
export function encode(value: WitnessConfig | Held): string {
  // Options of a store of one's own may be anything that can be cloned, which JSON would lose.
  return serialize(value).toString('base64')
}

/** The config in a word that {@link encode} made. */
export function decodeConfig(word: string): WitnessConfig {
  return deserialize(Buffer.from(word, 'base64')) as WitnessConfig
}

/** What is held, from a word that {@link encode} made; `undefined` if it is anything else. */
export function decodeHeld(word: string): Held | undefined {
  let held: Partial<Held> | undefined
  try {
    held = deserialize(Buffer.from(word, 'base64')) as typeof held
  } catch {
    return undefined
  }
  const { holder, token, ttlMs } = held ?? {}
  const fits =
    typeof holder === 'string' &&
    holder !== '' &&
    (token === undefined || (Number.isSafeInteger(token) && token > 0)) &&
    typeof ttlMs === 'number' &&
    ttlMs > 0 &&
    Number.isFinite(ttlMs)
  return fits ? { holder, token, ttlMs } : undefined
}

/** The line that tells what is held from now on; `undefined`: nothing. */
export function heldLine(held: Held | undefined): string {
  return held === undefined ? 'held' : `held ${encode(held)}`
}

/** A process group that shall end with the process; `starting`: its id is not known yet. */
export type GuardedGroup = number | 'starting'

/** The line that tells which group that is from now on; `undefined`: none. */
export function groupLine(group: GuardedGroup | undefined): string {
  if (group === undefined) return 'group'
  return `group ${group === 'starting' ? '?' : group}`
}

/** The line that ends a witness: its process lives on without it. */
export const quitLine = 'quit'

/** What a witness has been told, line by line: each word counts until the next one of its kind. */
export class Testimony {
  held: Held | undefined
  group: GuardedGroup | undefined
  /** Its process needs it no more. */
  isOver = false

  hear(line: string): void {
    // The rest is one word; one with a space in it is no word of ours.
    const [kind] = line.split(' ', 1)
    const word = line.slice((kind ?? '').length + 1)
    if (kind === 'held') this.held = decodeHeld(word)
    if (kind === 'group') this.group = decodeGroup(word)
    if (line === quitLine) this.isOver = true
  }
}

function decodeGroup(word: string): GuardedGroup | undefined {
  if (word === '?') return 'starting'
  const group = /^[1-9]\d*$/.test(word) ? Number(word) : 0
  // A group of 1 would be all processes that there are.
  return Number.isSafeInteger(group) && group > 1 ? group : undefined
}

/**
 * One writer's end of the pipe to the witness: the heart tells what is held, and the main thread
 * which process group shall end with it.
 *
 * It never waits. While the pipe is full, as to a witness that was stopped, only the newest line is
 * kept; one that has ended is replaced by the main thread, and is told the newest line then.
 */
export class WitnessPipe {
  readonly #write: (fd: number, data: Uint8Array) => number
  #fd: number | undefined
  #line: Buffer | undefined
  #isWritten = true
  /** What is left of a line that was begun; the pipe is not asked to take a part, but may. */
  #rest: Uint8Array = new Uint8Array()

  constructor(write: (fd: number, data: Uint8Array) => number = writeSync) {
    this.#write = write
  }

  /** Writes to this pipe from now on, or to none: the number may mean another file after that. */
  open(fd: number | undefined): void {
    this.#fd = fd
    this.#rest = new Uint8Array()
    this.#isWritten = this.#line === undefined
    this.flush()
  }

  tell(line: string): void {
    this.#line = Buffer.from(`${line}\n`)
    this.#isWritten = false
    this.flush()
  }

  /** Writes what could not be written before. */
  flush(): void {
    if (this.#fd === undefined) return
    try {
      if (this.#rest.length > 0) this.#rest = this.#writeTo(this.#fd, this.#rest)
      if (this.#rest.length > 0 || this.#line === undefined || this.#isWritten) return
      this.#rest = this.#writeTo(this.#fd, this.#line)
      this.#isWritten = true
    } catch {
      // EAGAIN: it is full. EPIPE: the witness has ended, as the main thread finds out.
    }
  }

  /** What is left of the data. */
  #writeTo(fd: number, data: Uint8Array): Uint8Array {
    return data.subarray(this.#write(fd, data))
  }
}
