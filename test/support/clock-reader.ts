// Reads the clock in a thread of its own.
import { parentPort } from 'node:worker_threads'

import { createSystemClock } from '../../src/clock.ts'

parentPort?.postMessage(createSystemClock().monotonicMs())
