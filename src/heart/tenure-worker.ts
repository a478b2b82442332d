import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'

import { createSystemClock } from '../clock.ts'
import { invariant } from '../invariant.ts'
import { Cell } from './cell.ts'
import { Heart } from './heart.ts'
import { hearMarked, marked, type Command, type HeartConfig, type Report } from './messages.ts'
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

const heart: Heart = new Heart({
  ...createSystemSurroundings(clock),
  config,
  cell: new Cell(clock, buffer),
  watchesMainThread: true,
  report(report: Report) {
    port.postMessage(marked(report))
    // The thread ends then, whatever else lives in it, such as timers of a store's client.
    if (report.kind === 'stopped' || report.kind === 'died') void heart.closed.then(endThread)
  },
  kill(lastWords) {
    // The main thread is blocked, so that a line sent to its logger would never be seen.
    try {
      writeSync(2, `tenure: ${lastWords} onStall is 'kill': this process ends now.\n`)
    } catch {
      // A pipe that is full, or that nobody reads any more: the process ends all the same.
    }
    process.kill(process.pid, 'SIGKILL')
  },
})
port.on(
  'message',
  hearMarked((command) => heart.command(command as Command)),
)
void heart.start()

/** In a thread, this ends the thread only. */
function endThread(): void {
  process.exit()
}
