import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'

/** How long the instances may take to end by themselves: they notice that the launcher is gone. */
const patienceMs = 1_500

const folder = process.argv[2]
const pids = new Set<number>()
let done = false
for await (const line of createInterface({ input: process.stdin })) {
  const [verb, pid] = line.split(' ')
  if (verb === 'add') pids.add(Number(pid))
  if (verb === 'remove') pids.delete(Number(pid))
  if (verb === 'done') done = true
}

if (!done && folder !== undefined) {
  await sleep(patienceMs)
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
}
