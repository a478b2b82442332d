// `npm run simulate`: many seeds, one seed again, or all broken variants.
import { parseArgs } from 'node:util'

import { breakSource } from '../mutants/load-hook.ts'
import { changesOf } from '../mutants/mutant.ts'
import type { Violation } from './history.ts'
import { notShown, simulatedMutants } from './mutants.ts'
import { catchMutant, runSeeds } from './runner.ts'
import type { Ran } from './seed-runner.ts'

const usage = `Usage: npm run simulate -- [options]

  --seeds N      run N seeds (default 1000), from a fresh one on, or from --from
  --from N       the first of them
  --minutes M    run seeds for M minutes instead
  --workers N    on N processes (default 2)
  --seed N       run this seed again, and show what happened before it fails
  --timeline     with --seed: show all that happened, also if nothing fails
  --mutants      run each broken variant until it is caught, and print the table of how many seeds
                 that took, from the first seed on
  --mutant N     with --seed: on this broken variant, by its number in that table
  -h, --help     this text
`

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    from: { type: 'string' },
    minutes: { type: 'string' },
    workers: { type: 'string', default: '2' },
    seed: { type: 'string' },
    timeline: { type: 'boolean', default: false },
    mutants: { type: 'boolean', default: false },
    mutant: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

function wholeNumber(name: 'seeds' | 'from' | 'minutes' | 'workers' | 'seed' | 'mutant'): number {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number >= 0) return number
  console.error(`Expected --${name} to be a whole number; got ${values[name]}.\n\n${usage}`)
  process.exit(2)
}

/** What the timeline shows of the time before a failure. */
const beforeMs = 30_000

/** A broken variant takes a handful of seeds, or cannot be caught. */
const mutantSeedsMax = 1_000

function tellViolation({ atMs, who, rule, what }: Violation): string {
  return `${rule}\n  at ${(atMs / 1_000).toFixed(3)} s, ${who}: ${what}`
}

/** Runs one seed in this process, and shows what happened. */
async function replay(seed: number): Promise<boolean> {
  if (values.mutant !== undefined) {
    const mutant = simulatedMutants[wholeNumber('mutant') - 1]
    if (mutant === undefined) throw new Error(`There is no broken variant ${values.mutant}.`)
    console.log(`Broken: ${mutant.what}\n`)
    breakSource(changesOf(mutant))
  }
  const { check } = await import('./checkers/check.ts')
  const { drawScenario, describeScenario } = await import('./scenario.ts')
  const { simulate } = await import('./simulation.ts')
  const { timeline } = await import('./timeline.ts')
  const scenario = drawScenario(seed)
  console.log(`${describeScenario(scenario)}\n`)
  const recording = await simulate(scenario)
  const violations = check(recording)
  const [first] = violations
  if (values.timeline) console.log(timeline(recording, violations))
  else if (first !== undefined) {
    const until = { ...recording, facts: recording.facts.filter(({ atMs }) => atMs <= first.atMs) }
    console.log(timeline(until, [first], first.atMs - beforeMs))
  }
  if (first === undefined) console.log(`Seed ${seed}: nothing is wrong.`)
  else console.log(`\nSeed ${seed}: ${tellViolation(first)}`)
  return first === undefined
}

/** Runs many seeds, tells how far it is, and ends with the first that fails. */
async function runCampaign(): Promise<boolean> {
  const workers = wholeNumber('workers')
  const first = values.from === undefined ? Math.floor(Date.now() / 100) : wholeNumber('from')
  const startedMs = Date.now()
  const untilMs = values.minutes && startedMs + wholeNumber('minutes') * 60_000
  const seeds = values.seeds === undefined ? 1_000 : wholeNumber('seeds')
  let asked = 0
  let ran = 0
  let simulatedMs = 0
  let failed: Ran | undefined
  const progress = (): string => {
    const hours = simulatedMs / 3_600_000
    const perSecond = hours / Math.max((Date.now() - startedMs) / 1_000, 0.001)
    return `${ran} seeds, ${hours.toFixed(1)} simulated hours, ${perSecond.toFixed(2)} of them a second`
  }
  const line = (): void => {
    if (process.stdout.isTTY) process.stdout.write(`\r${progress()}   `)
    else console.log(progress())
  }
  const timer = setInterval(line, process.stdout.isTTY ? 1_000 : 60_000)
  console.log(`From seed ${first} on, on ${workers} processes.`)
  await runSeeds(
    workers,
    () => {
      const over = untilMs ? Date.now() >= untilMs : asked >= seeds
      return over || failed !== undefined ? undefined : first + asked++
    },
    (result) => {
      ran++
      simulatedMs += result.simulatedMs
      if (result.violation !== undefined) failed ??= result
    },
  )
  clearInterval(timer)
  console.log(`\r${progress()}: ${failed === undefined ? 'nothing is wrong.' : 'FAILED'}`)
  if (failed?.violation === undefined) return true
  const { seed, violation } = failed
  console.log(`\nSeed ${seed}: ${tellViolation(violation)}\n`)
  await replay(seed)
  console.log(`\nTo see this again: npm run simulate -- --seed ${seed}`)
  return false
}

/** Runs each broken variant until it is caught, and prints the table of the documentation. */
async function runMutants(): Promise<boolean> {
  const results: string[] = []
  let allCaught = true
  const queue = [...simulatedMutants.entries()]
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, mutant] = next
      const { what } = mutant
      const seeds = Array.from({ length: mutantSeedsMax }, (_, i) => i + 1)
      const caught = await catchMutant(mutant, seeds)
      const by = caught?.ran.violation?.rule ?? `NOT CAUGHT in ${mutantSeedsMax}`
      allCaught &&= caught !== undefined
      results[index] = `| ${index + 1} | ${what} | ${caught?.seeds ?? '-'} | ${by} |`
      if (process.stdout.isTTY) process.stdout.write(`\r${queue.length} to go   \r`)
    }
  }
  await Promise.all(Array.from({ length: wholeNumber('workers') }, lane))
  console.log(`| # | broken rule | seeds | caught by |\n|---|---|---|---|\n${results.join('\n')}`)
  console.log('\nNot shown here, but by unit tests:\n')
  for (const [what, why] of Object.entries(notShown)) console.log(`- ${what}: ${why}`)
  return allCaught
}

if (values.help) {
  console.log(usage)
} else {
  const good = values.mutants
    ? await runMutants()
    : values.seed === undefined
      ? await runCampaign()
      : await replay(wholeNumber('seed'))
  process.exitCode = good ? 0 : 1
}
