import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'

import fc from 'fast-check'

import { Cell } from '../../src/heart/cell.ts'
import { Heart } from '../../src/heart/heart.ts'
import type { Report } from '../../src/heart/messages.ts'
import {
  flagsForThread,
  flagsForWitness,
  flagsOfOptions,
  withoutRefused,
} from '../../src/heart/node-flags.ts'
import { hasEnded, releaseHeld, type ReleaseOutcome } from '../../src/heart/release.ts'
import {
  decodeConfig,
  decodeHeld,
  encode,
  groupLine,
  heldLine,
  Testimony,
  WitnessPipe,
  type Held,
} from '../../src/heart/witness-pipe.ts'
import { createSystemSurroundings } from '../../src/heart/surroundings.ts'
import { resolveFixed } from '../../src/options.ts'
import { Memory, MemoryLeaseStore, provideMemory } from '../../src/store/memory/memory-store.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { settle as turns } from '../support/bench.ts'

const lease = 'scheduler'
const ttlMs = 20_000

/** What a witness has been told by this text. */
function testimonyOf(text: string): Testimony {
  const testimony = new Testimony()
  for (const line of text.split('\n').slice(0, -1)) testimony.hear(line)
  return testimony
}

/** Every turn that waits for nothing but others has come. */
const settle = (): Promise<void> => turns(5)

describe('what a heart tells its witness', () => {
  let hearts = 0

  /** A heart on a memory and a clock of its own, whose witness is a file. */
  async function withHeart(
    work: (parts: {
      heart: Heart
      memory: Memory
      clock: FakeClock
      reports: Report[]
      held: () => Held | undefined
      text: () => string
      start: () => Promise<void>
    }) => Promise<void>,
  ): Promise<void> {
    const folder = mkdtempSync(join(tmpdir(), 'tenure-heart-'))
    const path = join(folder, 'pipe')
    const fd = openSync(path, 'a')
    const clock = new FakeClock()
    const memory = new Memory(clock)
    const store = `memory:heart-${++hearts}`
    provideMemory(`heart-${hearts}`, memory)
    const reports: Report[] = []
    const heart = new Heart({
      ...createSystemSurroundings(clock),
      environment: {},
      config: {
        store: { scheme: 'memory', name: `heart-${hearts}` },
        fixed: resolveFixed({ store }, {}),
        options: {},
        witnessFd: fd,
      },
      cell: new Cell(clock),
      watchesMainThread: false,
      report: (report) => void reports.push(report),
      kill: () => {},
    })
    const text = (): string => readFileSync(path, 'utf8')
    const held = (): Held | undefined => testimonyOf(text()).held
    const start = async (): Promise<void> => {
      await heart.start()
      clock.advance(1_000)
      await settle()
    }
    try {
      await work({ heart, memory, clock, reports, held, text, start })
    } finally {
      heart.kill()
      closeSync(fd)
      rmSync(folder, { recursive: true })
    }
  }

  test('the holder before the acquisition is sent, and the token before anybody leads by it', () =>
    withHeart(async ({ memory, reports, held, start }) => {
      const { table } = memory
      const acquire = table.acquire.bind(table)
      let before: Held | undefined
      let asked = ''
      table.acquire = (request) => {
        before = held()
        asked = request.holder
        return acquire(request)
      }
      let atReport: Held | undefined
      reports.push = (report) => {
        if (report.kind === 'acquired') atReport = held()
        return 0
      }
      await start()
      assert.notEqual(asked, '')
      assert.deepEqual(before, { holder: asked, token: undefined, ttlMs })
      assert.deepEqual(atReport, { holder: asked, token: 1, ttlMs })
    }))

  test('while the outcome of an acquisition is unknown, still the holder', () =>
    withHeart(async ({ memory, held, start }) => {
      memory.fault = new Error('no reply')
      await start()
      assert.equal(held()?.token, undefined)
      assert.match(held()?.holder ?? '', /:\d+:/)
    }))

  test('when an acquisition was refused, and when a term is over, that nothing is held', () =>
    withHeart(async ({ heart, memory, clock, reports, held, text, start }) => {
      const other = { lease, ttlMs, application: 'a', label: undefined, observed: undefined }
      memory.table.acquire({ ...other, holder: 'another' })
      await start()
      assert.match(text(), /^held .+\nheld\n$/)
      memory.table.deleteRecord(lease)
      for (let tries = 0; tries < 30 && held()?.token === undefined; tries++) {
        clock.advance(1_000)
        await settle()
      }
      assert.equal(held()?.token, 2)
      heart.command({ kind: 'stop' })
      heart.command({ kind: 'drained', token: 2, complete: true })
      await settle()
      assert.equal(held(), undefined)
      assert.deepEqual(reports.at(-1), { kind: 'stopped', mayHold: false })
      assert.equal(memory.table.read(lease).record, undefined)
    }))

  test('when a release has failed, still the holder, and whoever stops says so', () =>
    withHeart(async ({ heart, memory, clock, reports, held, start }) => {
      await start()
      const before = held()
      assert.equal(before?.token, 1)
      memory.fault = new Error('no reply')
      heart.command({ kind: 'stop' })
      heart.command({ kind: 'drained', token: 1, complete: true })
      for (let tries = 0; tries < 30 && reports.at(-1)?.kind !== 'stopped'; tries++) {
        clock.advance(1_000)
        await settle()
      }
      assert.deepEqual(reports.at(-1), { kind: 'stopped', mayHold: true })
      assert.deepEqual(held(), before)
    }))

  test('nothing more once it has let go of the pipe: the number may be of another file', () =>
    withHeart(async ({ heart, clock, reports, text, start }) => {
      heart.command({ kind: 'witness', fd: undefined })
      assert.ok(reports.some(({ kind }) => kind === 'witness-let-go'))
      await start()
      clock.advance(60_000)
      await settle()
      assert.equal(text(), '')
      assert.ok(reports.some(({ kind }) => kind === 'acquired'))
    }))

  test('nothing more once it is over, though an attempt is still under way', () =>
    withHeart(async ({ heart, memory, held, start }) => {
      const { table } = memory
      const acquire = table.acquire.bind(table)
      table.acquire = (request) => {
        heart.kill()
        return acquire(request)
      }
      await start()
      assert.equal(held()?.token, undefined)
    }))
})

describe('the pipe to the witness', () => {
  /** A pipe that takes only so many bytes until it is read. */
  function createPipe(roomMax: number) {
    const state = { text: '', room: roomMax, broken: false }
    const pipe = new WitnessPipe((fd, data) => {
      assert.equal(fd, 7)
      if (state.broken) throw new Error('EPIPE')
      if (state.room === 0) throw new Error('EAGAIN')
      const taken = Math.min(state.room, data.length)
      state.room -= taken
      state.text += Buffer.from(data.subarray(0, taken)).toString()
      return taken
    })
    pipe.open(7)
    return { pipe, state }
  }

  test('while it is full only the newest line is kept, and a line that was begun is ended', () => {
    const { pipe, state } = createPipe(8)
    for (const line of ['one', 'second', 'third', 'fourth']) pipe.tell(line)
    assert.equal(state.text, 'one\nseco')
    state.room = 1_000
    pipe.flush()
    assert.equal(state.text, 'one\nsecond\nfourth\n')
    pipe.flush()
    assert.equal(state.text, 'one\nsecond\nfourth\n')
  })

  test('however little it takes at a time, whole lines arrive, and the newest is the last', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.stringMatching(/^[a-z]{0,9}$/), fc.nat(12)), { minLength: 1 }),
        (steps) => {
          const { pipe, state } = createPipe(0)
          for (const [line, room] of steps) {
            state.room = room
            pipe.tell(line)
          }
          for (let flushes = 0; flushes < 3; flushes++) {
            state.room = 1_000
            pipe.flush()
          }
          const told = state.text.split('\n').slice(0, -1)
          const lines = steps.map(([line]) => line)
          let from = 0
          for (const line of told) {
            from = lines.indexOf(line, from) + 1
            assert.ok(from > 0, 'each line is one that was told, in order')
          }
          assert.equal(told.at(-1), lines.at(-1))
        },
      ),
    )
  })

  test('a new one is told the newest line at once, also if that was never written', () => {
    const { pipe, state } = createPipe(2)
    pipe.tell('first')
    pipe.tell('second')
    state.broken = true
    pipe.flush()
    pipe.open(undefined)
    pipe.tell('third')
    Object.assign(state, { text: '', room: 1_000, broken: false })
    pipe.open(7)
    assert.equal(state.text, 'third\n')
  })
})

describe('what a witness understands', () => {
  const held = { holder: 'höst:1:ab', token: 3, ttlMs }

  test('the newest line of each kind counts', () => {
    const lines = [groupLine(77), heldLine({ ...held, token: undefined }), heldLine(held)]
    const testimony = testimonyOf(`${lines.join('\n')}\n${heldLine({ ...held, token: 4 })}`)
    // The last one is not complete: its writer has died in the middle of it.
    assert.deepEqual([testimony.held, testimony.group], [held, 77])
    testimony.hear(groupLine('starting'))
    assert.equal(testimony.group, 'starting')
    testimony.hear(heldLine(undefined))
    testimony.hear(groupLine(undefined))
    assert.deepEqual([testimony.held, testimony.group], [undefined, undefined])
  })

  test('its config is what was cloned for the thread, also where JSON would lose it', () => {
    const options = { at: new Date(0), map: new Map([[1, 2n]]), bytes: new Uint8Array([255]) }
    const store = { module: 'my-store', options }
    const config = { pid: 1, lease, store, environment: { PGPASSWORD: 'geheim', A: undefined } }
    assert.match(encode(config), /^[A-Za-z0-9+/=]+$/)
    assert.deepEqual(decodeConfig(encode(config)), config)
  })

  test('anything else makes it release nothing and end no group', () => {
    const word = encode(held)
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.constantFrom('held', 'group').chain((kind) => fc.string().map((s) => `${kind} ${s}`)),
          fc.base64String().map((text) => `held ${text}`),
          fc.nat(word.length - 1).map((length) => `held ${word.slice(0, length)}`),
          fc.oneof(fc.double(), fc.integer(), fc.bigInt()).map((value) => `group ${value}`),
        ),
        (line) => {
          const testimony = new Testimony()
          testimony.hear(line)
          const { group } = testimony
          if (group === 'starting') assert.equal(line, 'group ?')
          else if (group !== undefined) assert.ok(group > 1 && line === `group ${group}`)
          const { held: heard } = testimony
          if (heard !== undefined) assert.deepEqual(heard, held)
        },
      ),
      { numRuns: 1_000, examples: [['group 1'], ['group 2 '], ['group 2 3'], ['group  2']] },
    )
    for (const wrong of [
      { ...held, holder: '' },
      { ...held, token: 0 },
      { ...held, token: 1.5 },
      { ...held, ttlMs: Number.NaN },
      { ...held, ttlMs: Infinity },
      { ...held, ttlMs: -1 },
    ]) {
      assert.equal(decodeHeld(encode(wrong)), undefined)
    }
  })
})

describe('what a witness releases', () => {
  const request = { lease, ttlMs, application: 'a', label: undefined, observed: undefined }

  /** A memory whose lease `holder` holds, and how a witness of it goes. */
  function witnessOf(holder: string) {
    const clock = new FakeClock()
    const memory = new Memory(clock)
    memory.table.acquire({ ...request, holder })
    const state = { ended: true }
    const store = new MemoryLeaseStore(memory)
    /** Releases, with as much time passing as that takes. */
    const release = async (held: Partial<Held>): Promise<ReleaseOutcome> => {
      const all = { holder: 'dead', token: 1, ttlMs, ...held }
      let outcome: ReleaseOutcome | undefined
      const parts = { store, lease, clock, hasEnded: () => state.ended }
      const releasing = releaseHeld(all, parts).then((result) => void (outcome = result))
      for (;;) {
        await settle()
        if (outcome !== undefined) break
        clock.advance(clock.untilNextTimerMs ?? 0)
      }
      await releasing
      return outcome
    }
    const sinceMs = clock.monotonicMs()
    const passedMs = (): number => clock.monotonicMs() - sinceMs
    return { memory, clock, state, release, passedMs }
  }

  test('exactly this holder with this token, and the history says that it crashed', async () => {
    const { memory, release, passedMs } = witnessOf('dead')
    assert.equal(await release({}), 'released')
    assert.equal(passedMs(), 0)
    const { record, terms } = memory.table.read(lease)
    assert.equal(record, undefined)
    assert.equal(terms[0]?.reason, 'crashed')
  })

  test("not another's lease, and not the same holder's with another token", async () => {
    const other = witnessOf('another')
    assert.equal(await other.release({}), 'not-held')
    assert.equal(other.memory.table.read(lease).record?.holder, 'another')
    const { memory, release } = witnessOf('dead')
    assert.equal(await release({ token: 2 }), 'not-held')
    assert.equal(memory.table.read(lease).record?.token, 1)
  })

  test('without a token the record tells it, if it is of this holder', async () => {
    const { memory, release } = witnessOf('dead')
    assert.equal(await release({ token: undefined }), 'released')
    assert.equal(memory.table.read(lease).record, undefined)
    const other = witnessOf('another')
    assert.equal(await other.release({ token: undefined }), 'not-held')
    assert.equal(other.memory.table.read(lease).record?.holder, 'another')
    assert.ok(other.passedMs() >= ttlMs / 3, 'the statement might still have come')
  })

  test('an acquisition that comes to the store after the death of its sender', async () => {
    const { memory, clock, release } = witnessOf('another')
    clock.setTimer(1_000, () => {
      memory.table.deleteRecord(lease)
      memory.table.acquire({ ...request, holder: 'dead' })
    })
    assert.equal(await release({ token: undefined }), 'released')
    assert.equal(memory.table.read(lease).terms[0]?.token, 2)
  })

  test('nothing while the process lives, whatever the pipe says; at once when it has ended', async () => {
    const { memory, clock, state, release } = witnessOf('dead')
    state.ended = false
    let atEnd: string | undefined
    clock.setTimer(5_000, () => {
      atEnd = memory.table.read(lease).record?.holder
      state.ended = true
    })
    assert.equal(await release({}), 'released')
    assert.equal(atEnd, 'dead', 'until then it was held')
  })

  test('a store that does not answer is asked again, until the lease has expired', async () => {
    const { memory, clock, release } = witnessOf('dead')
    memory.fault = new Error('unreachable')
    clock.setTimer(3_000, () => void (memory.fault = undefined))
    assert.equal(await release({}), 'released')
    const gone = witnessOf('dead')
    gone.memory.fault = new Error('unreachable')
    assert.equal(await gone.release({}), 'given-up')
    assert.ok(gone.passedMs() < ttlMs + 1_500)
  })

  test('whether a process has ended, the system knows', () => {
    assert.equal(hasEnded(process.pid), process.platform !== 'linux')
    // Beyond the largest process id that Linux gives (proc(5), pid_max).
    assert.equal(hasEnded(2 ** 22 + 1), true)
  })
})

describe("the flags of the witness's Node.js", () => {
  const sqlite = { scheme: 'sqlite', path: '/x' } as const

  test('are those of the application, but for what runs something else, debugs or writes', () => {
    const kept = ['-C', 'development', '--use-system-ca', '--max-old-space-size=100']
    const dropped = [
      '-e',
      'code',
      '--inspect-brk=0',
      '--test',
      '--watch',
      '--cpu-prof',
      '-r',
      './a',
    ]
    const others = ['--import', 'tsx', '--env-file=.env', '--title', 'billing', '--expose-gc']
    const all = [...dropped, ...kept, ...others]
    assert.deepEqual(flagsForWitness(all, sqlite), [...kept, '--expose-gc'])
  })

  test("load the application's code before, where a store of one's own may need it", () => {
    const store = { module: 'my-store', options: undefined }
    const flags = ['--import', 'tsx', '--import=./b.mjs', '-r', './a', '--inspect']
    const url = pathToFileURL(resolve('b.mjs')).href
    const whole = ['--import', 'tsx', `--import=${url}`, '-r', resolve('a')]
    assert.deepEqual(flagsForWitness(flags, store), whole)
    assert.deepEqual(flagsForThread(flags, store), whole)
    assert.deepEqual(flagsForThread(flags, sqlite), [])
  })

  test('of its thread are those of modules, of connections, of rights and of warnings, with their values', () => {
    const kept = (
      '-C development --conditions=x --no-warnings --disable-warning=X --tls-min-v1.3 ' +
      '--experimental-transform-types --no-experimental-strip-types --dns-result-order ipv4first ' +
      `--permission --allow-worker --allow-fs-read=/a,${resolve('b')}`
    ).split(' ')
    const given = kept.map((flag) => flag.replace(resolve('b'), './b'))
    const dropped = ['--max-old-space-size=100', '--expose-gc', '--throw-deprecation']
    const others = ['--unhandled-rejections=none', '-r', './a', '--title', 'x', '--require=./b']
    assert.deepEqual(flagsForThread([...dropped, ...given, ...others], sqlite), kept)
  })

  test('that one version refuses a thread, with their values, are left out there', () => {
    const error = Object.assign(
      new Error('Initiated Worker with invalid execArgv flags: --use-system-ca, --tls-x=1'),
      { code: 'ERR_WORKER_INVALID_EXEC_ARGV' },
    )
    const flags = ['--use-system-ca', '-C', 'x', '--tls-x=1']
    assert.deepEqual(withoutRefused(flags, error), ['-C', 'x'])
    assert.deepEqual(withoutRefused(flags, new Error('any other')), flags)
  })

  test('of NODE_OPTIONS are taken apart as Node.js does', () => {
    assert.deepEqual(flagsOfOptions('  --use-system-ca  --require "./a b\\" c.js" --x=1 '), [
      '--use-system-ca',
      '--require',
      './a b" c.js',
      '--x=1',
    ])
    assert.deepEqual(flagsOfOptions(''), [])
  })
})
