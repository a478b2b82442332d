import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

import { createSystemClock } from '../clock.ts'
import { invariant } from '../invariant.ts'
import { Cell } from './cell.ts'
import { Heart } from './heart.ts'
import type { Command, HeartConfig, Report } from './messages.ts'
import { createSystemSurroundings } from './surroundings.ts'

/** What the main thread hands to the worker thread as it starts it. */
export interface WorkerData {
  readonly buffer: SharedArrayBuffer
  readonly config: HeartConfig
}

invariant(parentPort !== null, 'this module is the entry of a worker thread')
const port = parentPort
const { buffer, config } = workerData as WorkerData
const clock = createSystemClock()

const heart = new Heart({
  ...createSystemSurroundings(clock),
  config,
  cell: new Cell(clock, buffer),
  watchesMainThread: true,
  report(report: Report) {
    port.postMessage(report)
    // Nothing else keeps the thread alive: it ends by itself when nobody can command it any more.
    if (report.kind === 'stopped' || report.kind === 'died') port.close()
  },
  kill(lastWords) {
    // The main thread is blocked, so that a line sent to its logger would never be seen.
    writeSync(2, `tenure: ${lastWords} onStall is 'kill': this process ends now.\n`)
    process.kill(process.pid, 'SIGKILL')
  },
})
port.on('message', (command: Command) => heart.command(command))
void heart.start()
