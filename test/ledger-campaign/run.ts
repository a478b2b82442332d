// `npm run chaos:ledger`: the leader is lost again and again, and every tick is accounted for once.
import { rmSync } from 'node:fs'
import { parseArgs } from 'node:util'

import { PostgresServer } from '../support/postgres-server.ts'
import { createTestStore } from '../support/test-store.ts'
import { runCampaign, type CampaignReport } from './campaign.ts'

const usage = `Usage: npm run chaos:ledger -- [options]

Instances that share a store run jobs, whose settings a seed has drawn. Their
leader is lost again and again: killed at random, in mid-run and with its witness, resigned, frozen,
stalled. In the end every tick of every job must be accounted for exactly once in the ledger: as
ran, skipped with a reason, or abandoned.

  --store NAME    sqlite or postgres                                              default both
  --losses N      how often the leader is lost                                    default 50
  --jobs N        how many jobs there are, each due every 1 s to 60 s             default 1000
  --instances N   how many instances contend, from 2 to 20                        default 5
  --seed N        what decides about the jobs and the losses                      default random
  --keep          keep the store, the logs and what was started, also without a violation
  -h, --help      this text

Ends with 0 if everything is as it should be, 1 if not, 2 where it was used wrongly.`

const stores = { sqlite: 'SQLite', postgres: 'PostgreSQL' } as const
const violationsShown = 20

function fail(message: string): never {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}

function readFlags(): Record<string, string | boolean | undefined> {
  try {
    const { values } = parseArgs({
      options: {
        store: { type: 'string' },
        losses: { type: 'string', default: '50' },
        jobs: { type: 'string', default: '1000' },
        instances: { type: 'string', default: '5' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    return values
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error))
  }
}

const values = readFlags()
if (values['help'] === true) {
  console.log(usage)
  process.exit(0)
}

function whole(name: string, least: number, most: number): number {
  const value = Number(values[name])
  if (Number.isInteger(value) && value >= least && value <= most) return value
  return fail(
    `Expected --${name} to be a whole number from ${least} to ${most}; got ${String(values[name])}.`,
  )
}

const counts = {
  losses: whole('losses', 0, 10_000),
  jobs: whole('jobs', 1, 10_000),
  instances: whole('instances', 2, 20),
  seed: whole('seed', 0, 2 ** 32 - 1),
}
const given = values['store']
if (given !== undefined && !(String(given) in stores)) {
  fail(`Expected --store to be one of ${Object.keys(stores).join(', ')}; got ${String(given)}.`)
}
const all = ['sqlite', 'postgres'] as const
const names = all.filter((name) => given === undefined || given === name)

// Ctrl-C: no more losses; what happened until then is checked.
const controller = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    console.log(`\n${name}: no more losses; waiting until all is settled ...`)
    controller.abort()
  })
}

let said = 0
function tell(progress: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K${progress}`)
  else if (said++ % 10 === 0) console.log(progress)
}

async function campaignOn(name: keyof typeof stores): Promise<boolean> {
  const server = name === 'postgres' ? await PostgresServer.start() : undefined
  const store = await createTestStore(stores[name], server)
  const { signal } = controller
  let good = false
  try {
    const report = await runCampaign({
      ...counts,
      store,
      everyMsMax: 60_000,
      pauseMs: [500, 8_000],
      signal,
      onProgress: tell,
    })
    if (process.stdout.isTTY) process.stdout.write('\r\u001B[K')
    print(report)
    good = report.violations.length === 0
  } catch (error) {
    console.error(error)
  } finally {
    if (good && values['keep'] !== true) rmSync(store.folder, { recursive: true, force: true })
    else console.log(`The logs, and what was started: ${store.folder}/campaign`)
    await server?.end()
  }
  return good
}

function print({ figures, terms, losses, violations, durationMs }: CampaignReport): void {
  const row = (what: string, count: number): void =>
    console.log(`  ${what.padEnd(56)}${String(count).padStart(8)}`)
  row(
    'losses',
    Object.values(losses).reduce((sum, count) => sum + count, 0),
  )
  for (const [kind, count] of Object.entries(losses)) row(`  ${kind}`, count)
  row('terms', terms)
  row('ticks that were due', figures.ticks)
  row('  ran', figures.ran)
  for (const [reason, count] of Object.entries(figures.skipped)) row(`  skipped: ${reason}`, count)
  row('  abandoned', figures.abandoned)
  row('  claimed, and not begun because the term ended', figures.notBegun)
  row('  still running, in the last term', figures.running)
  row('runs, each attempt by itself', figures.runs)
  row('  of these abandoned', figures.abandonedRuns)
  console.log(`  ${(durationMs / 1_000).toFixed(0)} s`)
  for (const { jobId, what } of violations.slice(0, violationsShown)) {
    console.log(`WRONG: ${jobId}: ${what}`)
  }
  const verdict = violations.length === 0 ? 'Every tick is accounted for exactly once.' : ''
  console.log(verdict || `${violations.length} violations.`)
}

let good = true
for (const name of names) {
  const flags = Object.entries(counts).map(([flag, value]) => `--${flag} ${value}`)
  console.log(`${stores[name]}: npm run chaos:ledger -- --store ${name} ${flags.join(' ')}`)
  good = (await campaignOn(name)) && good
  if (controller.signal.aborted) break
}
process.exitCode = good ? 0 : 1
