// How late ticks are run: many jobs that are due each second, one contender at a time.
import { measureInChild } from './child.ts'
import { entries, type Entry } from './entries.ts'
import { inLanes } from './lanes.ts'
import type { LatenessConfig } from './lateness-child.ts'
import type { Scale } from './scale.ts'
import { absenceOf, surround } from './surroundings.ts'
import { printTable, rowWithout, tell } from './table.ts'
import type { Lateness } from './ticks.ts'

const program = new URL('./lateness-child.ts', import.meta.url)
const head = ['', 'p50', 'p99', 'max', 'ticks due', 'missed', 'doubled']

async function measure(entry: Entry, scale: Scale): Promise<string[]> {
  const { shown, file, need, ledger, intervals } = entry
  const absence = absenceOf(need)
  if (absence !== undefined) return rowWithout([shown], absence, head.length)
  tell(`lateness: ${shown}`)
  const { url, end } = await surround(need)
  const { jobs, ...times } = scale.lateness
  const config: LatenessConfig = {
    ...times,
    jobs,
    file,
    url,
    ledger,
    intervals,
    tenure: scale.tenure,
  }
  try {
    const outcome = await measureInChild<Lateness>(program, config)
    if (outcome.kind === 'cut off') return rowWithout([shown], outcome.why, head.length)
    const { p50Ms, p99Ms, maxMs, due, missed, doubled } = outcome.result
    const latenesses = [p50Ms, p99Ms, maxMs].map((ms) =>
      Number.isNaN(ms) ? 'none was run' : `${ms.toFixed(0)} ms`,
    )
    return [shown, ...latenesses, ...[due, missed, doubled].map((count) => count.toFixed(0))]
  } finally {
    await end()
  }
}

export async function benchLateness(scale: Scale): Promise<void> {
  const { jobs, warmUpMs, measureMs } = scale.lateness
  const rows = await inLanes(scale.lanes, entries, (entry) => measure(entry, scale))
  console.log(
    `Lateness of ${jobs.toLocaleString('en')} jobs of 1 s: ${measureMs / 1_000} s, after ` +
      `${warmUpMs / 1_000} s of warming up\n`,
  )
  printTable(head, rows)
}
