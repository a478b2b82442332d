// What many jobs cost of which none is due: registration, processor and memory.
import { measureInChild } from './child.ts'
import { entries, intervalEntry, type Entry } from './entries.ts'
import type { Idle, IdleConfig } from './idle-child.ts'
import { inLanes } from './lanes.ts'
import type { Scale } from './scale.ts'
import { absenceOf, surround } from './surroundings.ts'
import { printTable, rowWithout, tell } from './table.ts'

const program = new URL('./idle-child.ts', import.meta.url)
const head = [
  '',
  'jobs',
  'registration',
  'CPU a minute',
  'RSS',
  'heap',
  'CPU of its server',
  'memory of its server',
]

function megabytes(bytes: number | undefined): string {
  return bytes === undefined ? '' : `${(bytes / 1e6).toFixed(1)} MB`
}

async function measure(entry: Entry, jobs: number, scale: Scale): Promise<string[]> {
  const { shown, file, need, ledger, intervals } = entry
  const name = [shown, jobs.toLocaleString('en')]
  const absence = absenceOf(need)
  if (absence !== undefined) return rowWithout(name, absence, head.length)
  tell(`idle: ${shown}, ${jobs.toLocaleString('en')} jobs`)
  const { url, serverCpuMs, serverBytes, end } = await surround(need)
  const { settleMs, measureMs } = scale.idle
  const tenure = scale.tenure
  const config: IdleConfig = { jobs, settleMs, measureMs, file, url, ledger, intervals, tenure }
  const emptyBytes = serverBytes() ?? 0
  let before: number | undefined
  let after: number | undefined
  let bytes: number | undefined
  try {
    const outcome = await measureInChild<Idle>(program, config, (kind) => {
      if (kind === 'idle') before = serverCpuMs()
      if (kind !== 'result') return
      after = serverCpuMs()
      bytes = serverBytes()
    })
    if (outcome.kind === 'cut off') return rowWithout(name, outcome.why, head.length)
    const { registrationMs, cpuMsPerMinute, rssBytes, heapBytes } = outcome.result
    const serverMs = ((after ?? 0) - (before ?? 0)) * (60_000 / measureMs)
    return [
      ...name,
      `${(registrationMs / 1_000).toFixed(2)} s`,
      `${cpuMsPerMinute.toFixed(0)} ms`,
      megabytes(rssBytes),
      megabytes(heapBytes),
      after === undefined ? '' : `${serverMs.toFixed(0)} ms`,
      megabytes(bytes && bytes - emptyBytes),
    ]
  } finally {
    await end()
  }
}

export async function benchIdle(scale: Scale): Promise<void> {
  const [first, ...others] = entries
  const all = first === undefined ? [] : [first, intervalEntry, ...others]
  const pairs = scale.idle.sizes.flatMap((jobs) => all.map((entry) => ({ entry, jobs })))
  const rows = await inLanes(scale.lanes, pairs, ({ entry, jobs }) => measure(entry, jobs, scale))
  const { settleMs, measureMs } = scale.idle
  console.log(
    `Jobs of which none is due: ${measureMs / 1_000} s, ${settleMs / 1_000} s after registration\n`,
  )
  printTable(head, rows)
}
