// How long until another instance leads after `kill -9` of the leader, with each kind of witness and
// without; and, in the same run, the least that it could take.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import type { TenureOptions, WitnessMode } from '../src/index.ts'
import { PostgresServer } from '../test/support/postgres-server.ts'
import { createTestStore, type TestStore } from '../test/support/test-store.ts'
import { nowMs } from '../test/support/until.ts'
import { descendantsOf, endWitness, memoryOf } from '../test/support/witness.ts'

const rounds = 20
/** Without a witness each round takes what is left of the ttl: few, with the short set. */
const roundsWithout = 5
const shortSet = { ttl: '6s', heartbeat: '2s', attemptTimeout: '1s' } as const

const instanceProgram = fileURLToPath(new URL('./crash-instance.ts', import.meta.url))
const floorProgram = fileURLToPath(new URL('./crash-floor.ts', import.meta.url))

/** A program of this benchmark, and what it prints. */
class Program {
  readonly process: ChildProcess
  #text = ''

  constructor(...args: string[]) {
    this.process = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.process.stdout?.on('data', (chunk) => (this.#text += String(chunk)))
  }

  get pid(): number {
    return this.process.pid ?? 0
  }

  /** Waits for a line, and gives what stands after its first word. */
  async said(word: string): Promise<string> {
    const line = new RegExp(`^${word} ?(.*)\n`, 'm')
    for (;;) {
      const found = line.exec(this.#text)
      if (found) return found[1] ?? ''
      if (this.process.exitCode !== null) throw new Error(`it has ended:\n${this.#text}`)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  }

  end(): void {
    for (const pid of descendantsOf(this.pid)) endWitness(pid)
    this.process.kill('SIGKILL')
  }
}

interface Round {
  readonly ms: number
  /** Of the witness that waited. */
  readonly bytes: number
}

/** From the kill to the moment in which another process knows that it leads. */
async function crash(store: TestStore, witness: WitnessMode): Promise<Round> {
  const times: Partial<TenureOptions> = witness === false ? shortSet : {}
  const args = [instanceProgram, store.url, JSON.stringify({ ...times, witness })]
  const programs = [new Program(...args)]
  try {
    const [leader] = programs
    await leader?.said('leads')
    const candidate = new Program(...args)
    programs.push(candidate)
    await candidate.said('waits')
    const [witnessPid] = leader ? descendantsOf(leader.pid) : []
    const bytes = witnessPid === undefined ? 0 : memoryOf(witnessPid)
    const killedAtMs = nowMs()
    leader?.process.kill('SIGKILL')
    return { ms: Number(await candidate.said('leads')) - killedAtMs, bytes }
  } finally {
    for (const program of programs) program.end()
    await store.end()
  }
}

/** Pipe closed, statement, push: with everything loaded and connected before. */
async function floor(store: TestStore): Promise<Round> {
  const client = store.open()
  const lease = 'scheduler'
  const holder = 'bench:1:floor'
  const signal = AbortSignal.timeout(60_000)
  const request = { lease, holder, ttlMs: 60_000, application: 'a', label: undefined }
  try {
    const reply = await client.tryAcquire({ ...request, observed: undefined }, signal)
    if (reply.kind !== 'acquired') throw new Error('the lease is free')
    const program = new Program(floorProgram, store.url, holder, String(reply.token))
    await program.said('ready')
    const pushed = new Promise<number>((resolve, reject) => {
      client.watch(lease, {
        changed: () => resolve(nowMs()),
        renewed() {},
        works() {},
        failed: reject,
      })
    })
    // A client that is about to listen has listened when it has answered something else.
    await client.read(lease, signal)
    const closedAtMs = nowMs()
    program.process.stdin?.end()
    return { ms: (await pushed) - closedAtMs, bytes: 0 }
  } finally {
    await client.close()
    await store.end()
  }
}

function row(cells: readonly string[]): void {
  console.log(`| ${cells.join(' | ')} |`)
}

function medianOf(sorted: readonly number[]): number {
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? 0) + (sorted[Math.ceil(middle)] ?? 0)) / 2
}

async function measure(
  name: readonly string[],
  times: number,
  once: () => Promise<Round>,
): Promise<void> {
  const all: Round[] = []
  for (let round = 0; round < times; round++) all.push(await once())
  const sorted = all.map(({ ms }) => ms).toSorted((a, b) => a - b)
  const shown = [medianOf(sorted), sorted[0] ?? 0, sorted.at(-1) ?? 0]
  const megabytes = Math.max(...all.map(({ bytes }) => bytes)) / 1e6
  const memory = megabytes === 0 ? '' : `${megabytes.toFixed(1)} MB`
  row([...name, ...shown.map((ms) => `${ms.toFixed(ms < 10 ? 1 : 0)} ms`), String(times), memory])
}

async function benchOn(name: string, create: () => Promise<TestStore>): Promise<void> {
  const modes = { "`'auto'`": 'auto', "`'warm'`": 'warm' } as const
  for (const [shown, witness] of Object.entries(modes)) {
    await measure([name, shown], rounds, async () => crash(await create(), witness))
  }
  await measure([name, 'the floor: pipe closed, statement, push'], rounds, async () =>
    floor(await create()),
  )
  const without = `\`false\`, with a ttl of ${shortSet.ttl}`
  await measure([name, without], roundsWithout, async () => crash(await create(), false))
}

export async function benchCrash(): Promise<void> {
  // The package as people install it: the compiler's output starts faster than what it compiles.
  const root = fileURLToPath(new URL('..', import.meta.url))
  execFileSync(process.execPath, [`${root}scripts/build.ts`], { stdio: 'inherit' })
  console.log(`kill -9 of the leader, until another one leads\n`)
  row(['store', '`witness`', 'median', 'min', 'max', 'rounds', 'memory of the witness'])
  row(Array.from({ length: 7 }, () => '---'))
  await benchOn('SQLite', () => createTestStore('SQLite'))
  const server = await PostgresServer.start({ settings: ['fsync = on'] })
  try {
    await benchOn('PostgreSQL', () => createTestStore('PostgreSQL', server))
  } finally {
    await server.end()
  }
}
