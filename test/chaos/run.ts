// `npm run chaos`: real processes on a real store, and everything that goes wrong with them.
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'

import type { StoreName } from '../support/test-store.ts'
import { runChaos } from './chaos.ts'
import { describeViolation, totalsOf } from './report.ts'

const usage = `Usage: npm run chaos -- [options]

Five instances run jobs on a store of their own, while faults that a seed has drawn are done to them
and to the store. What happened is written down first, and held against the rules afterwards.

  --minutes N    how long faults are done; a part of one is fine                   default 10
  --seed N       what decides about the faults; the same one draws the same ones   default random
  --store NAME   sqlite or postgres                                                default both
  --keep         keep the history also where no rule was broken
  -h, --help     this text`

const stores: Readonly<Record<string, StoreName>> = { sqlite: 'SQLite', postgres: 'PostgreSQL' }
const violationsShown = 5

function fail(message: string): never {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}

function readFlags(): { values: Record<string, string | boolean | undefined> } {
  try {
    return parseArgs({
      options: {
        minutes: { type: 'string', default: '10' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
        store: { type: 'string' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const { values } = readFlags()
if (values['help']) {
  console.log(usage)
  process.exit(0)
}
const minutes = Number(values['minutes'])
const seed = Number(values['seed'])
if (!(minutes > 0 && minutes <= 24 * 60)) {
  fail(`Expected --minutes to be a number above 0; got ${String(values['minutes'])}.`)
}
if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
  fail(`Expected --seed to be a whole number from 0 to 2^32 - 1; got ${String(values['seed'])}.`)
}
const given = values['store']
if (given !== undefined && !(String(given) in stores)) {
  fail(`Expected --store to be one of ${Object.keys(stores).join(', ')}; got ${String(given)}.`)
}
const names = given === undefined ? Object.keys(stores) : [String(given)]

// Ctrl-C: everything that was started is ended, and what happened until then is checked.
const controller = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    console.log(`\n${name}: ending everything ...`)
    controller.abort()
  })
}

let good = true
for (const name of names) {
  const store = stores[name] ?? 'SQLite'
  const command = `npm run chaos -- --seed ${seed} --minutes ${minutes} --store ${name}`
  console.log(`${store}, ${command}`)
  let said = 0
  const { facts, violations, folder } = await runChaos({
    seed,
    store,
    durationMs: minutes * 60_000,
    signal: controller.signal,
    onProgress(progress) {
      if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K${progress}`)
      else if (said++ % 10 === 0) console.log(progress)
    },
  })
  if (process.stdout.isTTY) process.stdout.write('\r\u001B[K')
  console.log(totalsOf(facts))
  for (const violation of violations.slice(0, violationsShown)) {
    console.log(`\n${describeViolation(violation, facts)}`)
  }
  if (violations.length === 0) console.log('No rule was broken.\n')
  else {
    good = false
    console.log(`\n${violations.length} violations. The same faults again: ${command}`)
  }
  if (violations.length > 0 || values['keep']) console.log(`The history: ${folder}\n`)
  else rmSync(folder, { recursive: true })
  if (controller.signal.aborted) break
}
process.exitCode = good ? 0 : 1
