// Everything that a run of chaos does to its instances and to their store.
import type { StoreName } from '../support/test-store.ts'
import type { ApplicationCommand, BlockName } from './application.ts'
import type { Arena } from './arena.ts'
import type { Member } from './member.ts'
import type { ProxyMode } from './proxy.ts'

/** One fault as the seed has drawn it. */
export interface Strike {
  readonly id: number
  /** After the beginning. */
  readonly atMs: number
  readonly fault: FaultName
  /** Which instance: the one that leads then, or one of the five. */
  readonly on: 'leader' | number
  /** One of the fault's ways. */
  readonly how: string
  /** For how long. */
  readonly ms: number
}

/** A kind of fault: how it is drawn, and how it is done. */
export interface Fault {
  /** The stores that it can be done to; each if it is not said. */
  readonly store?: StoreName
  /** How often it is drawn, compared with the others. */
  readonly weight: number
  readonly ways: readonly [string, ...string[]]
  readonly ms: readonly [least: number, most: number]
  /** What must not be done twice at a time; of each instance's own if it begins with its letter. */
  readonly keeps?: string
  /** Does it, and undoes it; false if there was nothing to do it to. */
  strike(arena: Arena, member: Member, strike: Strike): Promise<boolean>
}

/** Tells an instance to end in some way, and starts the next life after a while. */
async function endBy(
  arena: Arena,
  member: Member,
  { ms }: Strike,
  end: { readonly how: string; readonly ask: () => boolean },
): Promise<boolean> {
  const { who } = member
  member.mayEnd(end.how)
  if (!end.ask()) return false
  // An orderly end may wait for its work, and for an event loop that is blocked.
  if (!(await member.ends(40_000))) arena.note(who, 'it did not end within 40 s')
  await arena.passes(ms)
  member.start()
  await member.whenRuns()
  return true
}

const ofProcesses = {
  'process killed': {
    weight: 6,
    ways: ['SIGKILL', 'SIGKILL, and its child processes before it'],
    ms: [0, 4_000],
    keeps: 'life',
    strike: (arena, member, strike) =>
      endBy(arena, member, strike, {
        how: 'SIGKILL',
        ask() {
          if (strike.how !== 'SIGKILL') member.killChildren()
          member.signal('SIGKILL')
          return true
        },
      }),
  },
  'process frozen': {
    weight: 8,
    ways: ['SIGSTOP'],
    ms: [200, 9_000],
    keeps: 'freeze',
    async strike(arena, member, { ms }) {
      member.signal('SIGSTOP')
      await arena.passes(ms)
      member.signal('SIGCONT')
      return true
    },
  },
  'loop blocked': {
    weight: 6,
    ways: ['look without end', 'busy loop', 'Atomics.wait'],
    ms: [200, 9_000],
    keeps: 'block',
    async strike(_arena, member, { how, ms }) {
      const unblocked = member.says('unblocked', ms + 30_000)
      return member.send({ do: 'block', how: how as BlockName, ms }) && unblocked
    },
  },
  'process exits': {
    weight: 5,
    ways: ['exit', 'throw', 'reject', 'stop'],
    ms: [0, 4_000],
    keeps: 'life',
    strike(arena, member, strike) {
      const how = strike.how as 'exit' | 'throw' | 'reject' | 'stop'
      const code = how === 'throw' || how === 'reject' ? '1' : '0'
      return endBy(arena, member, strike, { how: code, ask: () => member.send({ do: how }) })
    },
  },
  'leader resigns': {
    weight: 4,
    ways: ['resign', 'request resign'],
    ms: [100, 2_000],
    async strike(_arena, member, { how, ms }) {
      const done = member.says('done', 40_000)
      const command: ApplicationCommand =
        how === 'resign' ? { do: 'resign', coolDown: ms } : { do: 'request resign' }
      return member.send(command) && done
    },
  },
  'heart killed': {
    weight: 3,
    ways: ['an exception in its thread'],
    ms: [1_000, 1_000],
    keeps: 'heart',
    async strike(arena, member, { ms }) {
      const sent = member.send({ do: 'kill heart' })
      await arena.passes(ms)
      return sent
    },
  },
  'heart stands still': {
    weight: 3,
    ways: ['its thread waits'],
    ms: [300, 7_000],
    keeps: 'heart',
    async strike(arena, member, { ms }) {
      const sent = member.send({ do: 'stall heart', ms })
      await arena.passes(ms)
      return sent
    },
  },
  'wall clock moved': {
    weight: 2,
    ways: ['3600', '-3600', '86400'],
    ms: [1_000, 8_000],
    keeps: 'clock',
    async strike(arena, member, { how, ms }) {
      if (!member.hasOwnClock) return false
      member.moveClock(Number(how))
      await arena.passes(ms)
      member.moveClock(0)
      return true
    },
  },
  'witness killed': {
    weight: 2,
    ways: ['SIGKILL'],
    ms: [0, 0],
    // An instance has no other child process; where it has no witness, there is nobody to kill.
    strike: async (_arena, member) => member.killChildren() > 0,
  },
} as const satisfies Record<string, Fault>

const ofStores = {
  'lease taken': {
    weight: 2,
    ways: ['by the operator'],
    ms: [0, 0],
    keeps: 'store',
    strike: (arena) => arena.takeLease(),
  },
  'store locked': {
    weight: 3,
    ways: ['table', 'rows'],
    ms: [100, 5_000],
    keeps: 'store',
    async strike(arena, _member, { how, ms }) {
      const unlock = await arena.store.lock(how as 'table' | 'rows').catch(() => undefined)
      if (unlock === undefined) return false
      await arena.passes(ms)
      await unlock()
      return true
    },
  },
  'disk full': {
    store: 'SQLite',
    weight: 3,
    ways: ['no byte is left'],
    ms: [200, 5_000],
    keeps: 'store',
    async strike(arena, _member, { ms }) {
      const free = arena.store.fillDisk?.()
      if (free === undefined) return false
      await arena.passes(ms)
      free()
      return true
    },
  },
} as const satisfies Record<string, Fault>

/** Breaks the way of one instance to the server. */
async function breakWay(
  arena: Arena,
  member: Member,
  mode: ProxyMode,
  { ms }: Strike,
  delayMs = 0,
): Promise<boolean> {
  const proxy = arena.store.postgres?.proxies[member.index]
  if (proxy === undefined) return false
  proxy.set(mode, delayMs)
  await arena.passes(ms)
  proxy.set('pass')
  return true
}

const ofServers = {
  'network slow': {
    store: 'PostgreSQL',
    weight: 3,
    ways: ['100', '300', '700', '1500'],
    ms: [500, 6_000],
    keeps: 'way',
    strike: (arena, member, strike) => breakWay(arena, member, 'delay', strike, Number(strike.how)),
  },
  'network cut': {
    store: 'PostgreSQL',
    weight: 4,
    ways: ['cut', 'swallow to', 'swallow from', 'swallow both'],
    ms: [100, 6_000],
    keeps: 'way',
    strike: (arena, member, strike) => breakWay(arena, member, strike.how as ProxyMode, strike),
  },
  'connections ended': {
    store: 'PostgreSQL',
    weight: 3,
    ways: ['pg_terminate_backend'],
    ms: [0, 0],
    keeps: 'store',
    async strike({ store }) {
      const server = store.postgres?.server
      if (server === undefined) return false
      return (await server.terminateConnections('test_1').catch(() => 0)) > 0
    },
  },
  'server down': {
    store: 'PostgreSQL',
    weight: 3,
    ways: ['fast', 'immediate', 'kill'],
    ms: [0, 5_000],
    keeps: 'store',
    async strike(arena, _member, { how, ms }) {
      const server = arena.store.postgres?.server
      if (server === undefined) return false
      await server.down(how as 'fast' | 'immediate' | 'kill')
      await arena.passes(ms)
      await server.up()
      return true
    },
  },
  'server frozen': {
    store: 'PostgreSQL',
    weight: 2,
    ways: ['SIGSTOP'],
    ms: [200, 5_000],
    keeps: 'store',
    async strike(arena, _member, { ms }) {
      const server = arena.store.postgres?.server
      if (server === undefined) return false
      server.freeze(true)
      try {
        await arena.passes(ms)
      } finally {
        server.freeze(false)
      }
      return true
    },
  },
} as const satisfies Record<string, Fault>

/** All faults, by name. */
export const faults = { ...ofProcesses, ...ofStores, ...ofServers }

export type FaultName = keyof typeof faults

/** A fault, whichever it is. */
export function faultOf(name: FaultName): Fault {
  return faults[name]
}
