// How long until another instance leads, after each way in which a leader ends while JavaScript runs.
import { spawn, type ChildProcess } from 'node:child_process'

import { Cluster, type Instance } from '../test/support/cluster.ts'
import type { InstanceCommand } from '../test/support/instance.ts'
import { PostgresServer } from '../test/support/postgres-server.ts'
import { createTestStore, type TestStore } from '../test/support/test-store.ts'
import { nowMs } from '../test/support/until.ts'

const rounds = 10
/** The defaults: after a mere expiry it would be 15 to 20 s. */
const times = { ttl: 20_000, heartbeat: 5_000, attemptTimeout: 5_000, stopGrace: 100 } as const

const ways: { name: string; command: InstanceCommand }[] = [
  { name: 'process.exit', command: { do: 'exit' } },
  { name: 'uncaught exception', command: { do: 'throw' } },
  { name: 'unhandled rejection', command: { do: 'reject' } },
  { name: 'natural end', command: { do: 'end naturally' } },
  { name: 'stop()', command: { do: 'stop' } },
  { name: 'resign()', command: { do: 'resign', coolDown: 60_000 } },
]

/** From the command to the moment in which another instance knows that it leads. */
async function handoverMs(store: TestStore, end: (leader: Instance) => void): Promise<number> {
  const cluster = new Cluster(store, times)
  try {
    const [leader, candidate] = await cluster.start(2)
    if (leader === undefined || candidate === undefined) throw new Error('two were started')
    const startedAtMs = nowMs()
    end(leader)
    const { atMs } = await candidate.next('acquired', { withinMs: 30_000 })
    return atMs - startedAtMs
  } finally {
    await cluster.end()
  }
}

/** SIGTERM to the example service, which closes its Fastify application. */
async function sigtermMs(store: TestStore): Promise<number> {
  const program = new URL('./sigterm-service.ts', import.meta.url).pathname
  const leader = spawn(process.execPath, [program, store.url], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const candidate = await said(leader, 'leads').then(() =>
    spawn(process.execPath, [program, store.url], { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  await said(candidate, 'ready')
  const startedAtMs = nowMs()
  leader.kill('SIGTERM')
  const atMs = Number(await said(candidate, 'leads'))
  candidate.kill('SIGKILL')
  leader.kill('SIGKILL')
  await store.end()
  return atMs - startedAtMs
}

/** What a service printed after a word; waits for it. */
function said(service: ChildProcess, word: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    service.stdout?.on('data', (chunk) => {
      text += String(chunk)
      const match = new RegExp(`${word} ?([\\d.]*)\n`).exec(text)
      if (match) resolve(match[1] ?? '')
    })
  })
}

function row(name: string, measured: readonly number[]): string {
  const sorted = measured.toSorted((a, b) => a - b)
  const median = ((sorted[4] ?? 0) + (sorted[5] ?? 0)) / 2
  const cells = [median, sorted[0], sorted.at(-1)].map((ms) => (ms ?? 0).toFixed(0).padStart(9))
  return `${name.padEnd(32)}${cells.join('')}`
}

async function benchOn(storeName: string, createStore: () => Promise<TestStore>): Promise<void> {
  console.log(`handover on ${storeName}: ms until another instance leads, ${rounds} rounds each`)
  console.log(`${''.padEnd(32)}   median      min      max`)
  const measure = async (name: string, once: (store: TestStore) => Promise<number>) => {
    const measured: number[] = []
    for (let i = 0; i < rounds; i++) measured.push(await once(await createStore()))
    console.log(row(name, measured))
  }
  for (const { name, command } of ways) {
    await measure(name, (store) => handoverMs(store, (leader) => leader.send(command)))
  }
  await measure("SIGTERM through Fastify's close", sigtermMs)
}

export async function benchHandover(): Promise<void> {
  await benchOn('SQLite', () => createTestStore('SQLite'))
  const server = await PostgresServer.start({ settings: ['fsync = on'] })
  try {
    await benchOn('PostgreSQL', () => createTestStore('PostgreSQL', server))
  } finally {
    await server.end()
  }
}
