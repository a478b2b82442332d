// How long until another instance leads, after each way in which a leader ends while JavaScript runs.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Cluster, nowMs, type Instance } from '../test/support/cluster.ts'
import type { InstanceCommand } from '../test/support/instance.ts'

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
async function handoverMs(end: (leader: Instance) => void): Promise<number> {
  const cluster = new Cluster(times)
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
async function sigtermMs(): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-bench-'))
  const path = join(folder, 'tenure.db')
  const program = new URL('./sigterm-service.ts', import.meta.url).pathname
  const leader = spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const candidate = await said(leader, 'leads').then(() =>
    spawn(process.execPath, [program, path], { stdio: ['ignore', 'pipe', 'inherit'] }),
  )
  await said(candidate, 'ready')
  const startedAtMs = nowMs()
  leader.kill('SIGTERM')
  const atMs = Number(await said(candidate, 'leads'))
  candidate.kill('SIGKILL')
  leader.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
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

export async function benchHandover(): Promise<void> {
  console.log(`handover on SQLite: ms until another instance leads, ${rounds} rounds each`)
  console.log(`${''.padEnd(32)}   median      min      max`)
  for (const { name, command } of ways) {
    const measured: number[] = []
    for (let i = 0; i < rounds; i++) {
      measured.push(await handoverMs((leader) => leader.send(command)))
    }
    console.log(row(name, measured))
  }
  const measured: number[] = []
  for (let i = 0; i < rounds; i++) measured.push(await sigtermMs())
  console.log(row("SIGTERM through Fastify's close", measured))
}
