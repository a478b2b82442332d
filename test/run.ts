// `npm test`: the checks, the build, all layers of tests with coverage, and what they show.
import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, rmSync } from 'node:fs'
import { relative } from 'node:path'
import { run } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { promises } from './promises.ts'
import { installMissing } from './support/programs.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const coverage = `${root}coverage`

/** The least share of lines that have to run, threads and spawned processes counted, in percent. */
const linesMin = 90

const filesAtOnce = 3
const fileMsMax = 600_000

/** Files that run for long begin first, so that the others fill the gaps. */
const longest = [
  'package/installed',
  'chaos/chaos',
  'ledger-campaign/campaign',
  'processes/start-stop',
  'processes/busy',
  'fencing/writers',
  'cli/run',
  'browser/',
  'fastify/',
  'processes/',
]

/**
 * Files that start whole demonstrations, with instances that spin: only one of them runs at a time,
 * because a second one would take from the first the processors that its heartbeats need.
 */
const demonstrations = ['browser/', 'fastify/launcher', 'chaos/chaos', 'processes/busy']

/** Files that do nothing but compute come last: beside them real processes would have no time. */
const computing = ['mutants/', 'simulation/', 'fuzz/']

interface Result {
  readonly file: string
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'skipped'
  readonly note: string
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    'no-checks': { type: 'boolean', default: false },
    'no-coverage': { type: 'boolean', default: false },
  },
})

if (values.help) {
  console.log(`Usage: npm test [-- [options] [part ...]]

  part           run only test files whose path has one of these parts, such as unit/ or sqlite
  --no-checks    leave out the linter, the formatter, the compiler and the build
  --no-coverage  do not count which lines run
  -h, --help     this text`)
  process.exit(0)
}

/** Runs a step of its own, and ends everything if it fails. */
function step(name: string, command: string, ...args: string[]): void {
  const startedAt = Date.now()
  process.stdout.write(`${name} ... `)
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8' })
  console.log(status === 0 ? `${((Date.now() - startedAt) / 1_000).toFixed(1)} s` : 'FAILED')
  if (status === 0) return
  console.log(`${stdout}${stderr}`)
  process.exit(1)
}

function demonstrates(file: string): boolean {
  return demonstrations.some((part) => file.includes(part))
}

function rank(file: string): number {
  if (computing.some((part) => file.includes(part))) return longest.length + 1
  const at = longest.findIndex((part) => file.includes(part))
  return at === -1 ? longest.length : at
}

/** Runs one file in a process of its own, and says how it went. */
async function runFile(path: string): Promise<Result[]> {
  const results: Result[] = []
  const file = relative(`${root}test`, path)
  const startedAt = Date.now()
  const stream = run({ files: [path], timeout: fileMsMax })
  stream.on('test:stderr', ({ message }) => process.stderr.write(message))
  stream.on('test:fail', ({ name, details }) => {
    if (details.type === 'suite') return
    results.push({ file, name, outcome: 'failed', note: '' })
    const { cause } = details.error
    console.log(`✖ ${file}: ${name}`)
    console.log(cause instanceof Error ? cause.stack : (cause ?? details.error))
  })
  stream.on('test:diagnostic', ({ message, nesting }) => {
    if (nesting > 0) console.log(`  ${file}: ${message}`)
  })
  stream.on('test:pass', ({ name, details, skip }) => {
    // Of a suite that is skipped no test is told.
    if (details.type === 'suite' && skip === undefined) return
    const outcome = skip === undefined ? 'passed' : 'skipped'
    results.push({ file, name, outcome, note: String(skip ?? '') })
  })
  for await (const _ of stream);
  const count = (outcome: Result['outcome']): number =>
    results.filter((result) => result.outcome === outcome).length
  const parts = [
    `${count('passed')} passed`,
    count('failed') && `${count('failed')} FAILED`,
    count('skipped') && `${count('skipped')} skipped`,
    `${((Date.now() - startedAt) / 1_000).toFixed(1)} s`,
  ]
  console.log(
    `${count('failed') ? '✖' : '✔'} ${file.padEnd(40)}${parts.filter(Boolean).join(', ')}`,
  )
  return results
}

/** Runs all files, several at a time: most of them wait for processes and times. */
async function runFiles(files: readonly string[]): Promise<Result[]> {
  const startedAt = Date.now()
  const results: Result[] = []
  const queue = [...files]
  let demonstrating = 0
  const next = (): string | undefined => {
    const at = queue.findIndex((file) => demonstrating === 0 || !demonstrates(file))
    return queue.splice(Math.max(at, 0), 1)[0]
  }
  const lane = async (): Promise<void> => {
    for (let file = next(); file !== undefined; file = next()) {
      const weight = demonstrates(file) ? 1 : 0
      demonstrating += weight
      results.push(...(await runFile(file)))
      demonstrating -= weight
    }
  }
  await Promise.all(Array.from({ length: filesAtOnce }, lane))
  console.log(`${results.length} tests in ${((Date.now() - startedAt) / 1_000).toFixed(0)} s`)
  return results
}

/** Prints what was skipped, loudly, because a skipped layer has shown nothing. */
function printSkipped(results: readonly Result[]): void {
  const skipped = results.filter(({ outcome }) => outcome === 'skipped')
  const byNote = Map.groupBy(skipped, ({ note }) => note)
  for (const [note, tests] of byNote) {
    const files = new Set(tests.map(({ file }) => file))
    console.log(`SKIPPED ${tests.length} in ${[...files].join(', ')}: ${note}`)
  }
}

/** Prints the promises with what showed them; false if one has not been shown. */
function printPromises(results: readonly Result[]): boolean {
  let kept = true
  console.log(`\n${'promise'.padEnd(76)}shown by`)
  for (const { promise, shownBy } of promises) {
    const shown = results.filter(({ file, name }) =>
      shownBy.some((by) => file.startsWith(by.file) && (by.tests?.test(name) ?? true)),
    )
    const count = (outcome: Result['outcome']): number =>
      shown.filter((result) => result.outcome === outcome).length
    const passed = count('passed')
    const failed = count('failed')
    const skipped = count('skipped')
    const complete = failed === 0 && passed > 0
    // Where a program is missing, outside of CI, a whole layer may be skipped, and that was said.
    const excused = failed === 0 && skipped > 0 && process.env['CI'] !== 'true'
    kept &&= complete || excused
    const mark = complete ? '✔' : excused ? '-' : '✖'
    const parts = [`${passed} tests`, failed && `${failed} failed`, skipped && `${skipped} skipped`]
    console.log(`${mark} ${promise.padEnd(74)}${parts.filter(Boolean).join(', ')}`)
  }
  return kept
}

const all = positionals.length === 0
installMissing()
if (!values['no-checks']) {
  step('Linter', 'oxlint', '--type-aware', '--deny-warnings')
  step('Formatter', 'oxfmt', '--check', '.')
  step('Types', 'tsc', '-p', '.')
  step('Types of the page', 'tsc', '-p', 'src/dashboard')
  step('Build', process.execPath, 'scripts/build.ts')
}
if (!values['no-coverage']) {
  rmSync(coverage, { recursive: true, force: true })
  mkdirSync(`${coverage}/tmp`, { recursive: true })
  process.env['NODE_V8_COVERAGE'] = `${coverage}/tmp`
}
const files = globSync('test/**/*.test.ts', { cwd: root })
  .filter((file) => all || positionals.some((part) => file.includes(part)))
  .map((file) => `${root}${file}`)
  .toSorted((a, b) => rank(a) - rank(b) || a.localeCompare(b))
const results = await runFiles(files)
delete process.env['NODE_V8_COVERAGE']
printSkipped(results)
let good = results.length > 0 && results.every(({ outcome }) => outcome !== 'failed')
if (!values['no-coverage']) {
  const check = all
    ? [
        '--check-coverage',
        '--lines',
        String(linesMin),
        '--branches',
        '0',
        '--functions',
        '0',
        '--statements',
        '0',
      ]
    : []
  const report = [
    'report',
    '--all',
    '--src',
    'src',
    '--include',
    'src/**/*.ts',
    '--reporter',
    'text-summary',
    '--reporter',
    'lcov',
    '--reporter',
    'json-summary',
    '--temp-directory',
    `${coverage}/tmp`,
    '--reports-dir',
    coverage,
    ...check,
  ]
  const { status } = spawnSync('c8', report, { cwd: root, stdio: 'inherit' })
  good &&= status === 0
}
if (all) good = printPromises(results) && good
console.log(good ? '\nAll is well.' : '\nSomething is wrong; see above.')
const counts = (['passed', 'failed', 'skipped'] as const).map(
  (outcome) => `${results.filter((result) => result.outcome === outcome).length} ${outcome}`,
)
console.log(counts.join(', '))
process.exit(good ? 0 : 1)
