// Outlives a run of the tests, however that ends, and takes away what it has left: processes, also
// those that stand still, and its folder. The end of its standard input is the end of the run.
import { once } from 'node:events'
import { createInterface } from 'node:readline'

import { endProcesses, processesOf, takeAway } from './leftovers.ts'

/** How often it looks who is there: a witness that has lost its parent cannot be found later. */
const lookMs = 1_000

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})

const known = new Set<string>()
let folder: string | undefined
let keeps = false
const input = createInterface({ input: process.stdin })
input.on('line', (line) => {
  if (line === 'keep') keeps = true
  else folder = line
})
const looks = setInterval(() => folder && processesOf(folder, known), lookMs)
await once(input, 'close')
clearInterval(looks)
if (folder !== undefined) {
  if (keeps) endProcesses(folder, known)
  else takeAway(folder, known)
}
