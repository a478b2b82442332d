// Writes to a cell as fast as it can, for a test that reads it from another thread.
import { parentPort, workerData } from 'node:worker_threads'

import { createSystemClock, readInstant } from '../../src/clock.ts'
import { Cell } from '../../src/heart/cell.ts'

const hundredHoursMs = 360_000_000
const clock = createSystemClock()
const cell = new Cell(clock, workerData as SharedArrayBuffer)
const words = new Int32Array(workerData as SharedArrayBuffer, 0, 1)
const since = readInstant(clock)
let stopped = false
parentPort?.once('message', () => (stopped = true))

/** A window whose hard fence is always a hundred hours from now, wherever it begins. */
function write(shiftHundredHours: number): void {
  const shiftMs = shiftHundredHours * hundredHoursMs
  const moved = {
    monotonicMs: since.monotonicMs - shiftMs,
    wallMs: since.wallMs - shiftMs,
    uptimeMs: since.uptimeMs - shiftMs,
  }
  cell.extend(moved, { ttlMs: shiftMs + hundredHoursMs, stopGraceMs: 0, safetyMarginMs: 0 })
}

cell.open(1, since, { ttlMs: hundredHoursMs, stopGraceMs: 0, safetyMarginMs: 0 })
parentPort?.postMessage('writing')
function writeOn(): void {
  for (let i = 0; i < 1_000; i++) {
    write(i % 7)
    // A reader gets its turn between two writes, which in earnest are seconds apart.
    for (let pause = 0; pause < 4; pause++) Atomics.load(words, 0)
  }
  if (!stopped) setImmediate(writeOn)
}
writeOn()
