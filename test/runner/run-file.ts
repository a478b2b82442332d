import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

import { eventsFd, type FileEvent } from './file-event.ts'

const reporter = fileURLToPath(new URL('reporter.ts', import.meta.url))

/** How long what a file's process has said may take to arrive once it has ended. */
const drainMs = 5_000

/** One test, and how it went. */
export interface Result {
  /** Of the file, below `test/`. */
  readonly file: string
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly note: string
}

/** All tests of one file. */
export interface FileResult {
  readonly file: string
  readonly results: readonly Result[]
  readonly wallSeconds: number
  readonly processorSeconds: number
}

/** Runs one file in a process of its own, for so long at most, and prints how it went. */
export async function runFile(file: string, root: string, msMax: number): Promise<FileResult> {
  const results: Result[] = []
  let processorSeconds = 0
  const startedAt = Date.now()
  const args = [`--test-reporter=${reporter}`, '--test-reporter-destination=stdout']
  const child = spawn(process.execPath, [...args, `${root}test/${file}`], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
    timeout: msMax,
    killSignal: 'SIGKILL',
  })
  const failed = (name: string, note: string): void => {
    results.push({ file, name, outcome: 'failed', note })
    console.log(`✖ ${file}: ${name}\n${note}`)
  }
  const hear = (event: FileEvent): void => {
    if (event.kind === 'processor') processorSeconds = event.seconds
    else if (event.kind === 'diagnostic') console.log(`  ${file}: ${event.message}`)
    else if (event.outcome === 'failed') failed(event.name, event.note)
    else results.push({ file, name: event.name, outcome: event.outcome, note: event.note })
  }
  const ended = new Promise<number | NodeJS.Signals>((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal ?? code ?? 0))
  })
  const events = createInterface({ input: child.stdio[eventsFd] as Readable })
  events.on('line', (line) => hear(JSON.parse(line) as FileEvent))
  const heard = once(events, 'close')
  const end = await ended
  // What a test has left running may hold the pipe open, for ever.
  await Promise.race([heard, sleep(drainMs, undefined, { ref: false })])
  events.close()
  const isClean = results.every(({ outcome }) => outcome !== 'failed')
  if (end !== 0 && isClean) failed('the file', `its process has ended with ${end}`)
  if (results.length === 0) failed('the file', 'it has no tests')
  const count = (outcome: Result['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length
  const wallSeconds = (Date.now() - startedAt) / 1_000
  const parts = [
    `${count('passed')} passed`,
    count('failed') && `${count('failed')} FAILED`,
    count('skipped') && `${count('skipped')} skipped`,
    `${wallSeconds.toFixed(1)} s`,
    `${processorSeconds.toFixed(1)} s of processor time`,
  ]
  const mark = count('failed') > 0 ? '✖' : '✔'
  console.log(`${mark} ${file.padEnd(40)}${parts.filter(Boolean).join(', ')}`)
  return { file, results, wallSeconds, processorSeconds }
}
