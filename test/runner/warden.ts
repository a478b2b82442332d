// Outlives a run of the tests, however that ends, and takes away what it has left: processes, also
// those that stand still, and its folder. The end of its standard input is the end of the run.
import { rmSync } from 'node:fs'
import { text } from 'node:stream/consumers'

import { processesOf } from './leftovers.ts'

const tryMs = 100
const triesMax = 100

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})

const [folder, keeps] = (await text(process.stdin)).trim().split('\n')
if (folder) await takeAway(folder, keeps === undefined)

async function takeAway(folder: string, filesToo: boolean): Promise<void> {
  for (let tries = 0; tries < triesMax; tries++) {
    // The runner is not among them: it has made the folder itself.
    const left = processesOf(folder)
    if (left.length === 0) break
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, tryMs))
  }
  if (filesToo) rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
}
