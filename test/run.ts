// `npm test` and `npm run test:campaigns`: the checks, the build, layers of tests, and what they show.
import { globSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { runChecks } from './runner/checks.ts'
import { beginCoverage, reportCoverage } from './runner/coverage.ts'
import { commandOf, rankOf, type CommandName } from './runner/layers.ts'
import { installPackages } from './runner/packages.ts'
import { printCosts, printPromises, printSkipped } from './runner/report.ts'
import type { FileResult } from './runner/run-file.ts'
import { runFiles } from './runner/run-files.ts'
import { Watch } from './runner/watch.ts'
import { installMissing } from './support/programs.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: 'boolean', short: 'h', default: false },
    campaigns: { type: 'boolean', default: false },
    coverage: { type: 'boolean', default: false },
    'no-checks': { type: 'boolean', default: false },
    times: { type: 'string', default: '1' },
  },
})
const command: CommandName = values.campaigns ? 'campaigns' : 'test'
const called = { test: 'npm test', campaigns: 'npm run test:campaigns' } as const

if (values.help) {
  console.log(`Usage: ${called[command]} [-- [options] [part ...]]

  npm test               what a change is likely to break, in less than 4 minutes
  npm run test:campaigns the rest, in less than 20: chaos, mutants, whole matrices

  part           run only test files whose path has one of these parts, such as unit/ or sqlite
  --coverage     count which lines run; with the campaigns, on top of the last \`npm test\`
  --no-checks    leave out the linter, the formatter, the compiler and the build
  --times N      run each file N times, to find a test that depends on luck
  -h, --help     this text`)
  process.exit(0)
}

const all = positionals.length === 0
const times = Number(values.times)
if (!Number.isSafeInteger(times) || times < 1)
  fail(`Expected --times to be 1 or more; got ${values.times}.`)

const files = selectFiles()
installMissing()
if (!installPackages(files, root)) process.exit(1)
const watch = new Watch()
const startedAt = Date.now()
let good = values['no-checks'] || (await runChecks(root))
if (values.coverage) beginCoverage(root, command)
const ran: FileResult[] = good ? await runFiles(files, root) : []
const results = ran.flatMap((file) => file.results)
const left = await watch.whatIsLeft()
for (const { pid, command: line } of left) console.log(`✖ left running: ${pid} ${line}`)
printSkipped(results)
if (values.coverage && good) good = reportCoverage(root) && good
good &&= left.length === 0 && results.length > 0
good &&= results.every(({ outcome }) => outcome !== 'failed')
printCosts(command, ran, (Date.now() - startedAt) / 1_000, all)
if (all && ran.length > 0) good = printPromises(command, results, root) && good
console.log(good ? '\nAll is well.' : '\nSomething is wrong; see above.')
const counts = (['passed', 'failed', 'skipped'] as const).map(
  (outcome) => `${results.filter((result) => result.outcome === outcome).length} ${outcome}`,
)
console.log(counts.join(', '))
watch.end(good)
process.exit(good ? 0 : 1)

/** The files of this command, as often as they are to run, those first that take longest. */
function selectFiles(): string[] {
  const known = globSync('**/*.test.ts', { cwd: `${root}test` })
  const named = known.filter((file) => all || positionals.some((part) => file.includes(part)))
  const selected = named
    .filter((file) => commandOf(file) === command)
    .toSorted((a, b) => rankOf(a) - rankOf(b) || a.localeCompare(b))
  if (selected.length === 0) {
    const other = command === 'test' ? 'campaigns' : 'test'
    const hint = named.length > 0 ? ` \`${called[other]}\` has ${named.join(', ')}.` : ''
    fail(`Expected a part of the path of a test file; got [${positionals.join(', ')}].${hint}`)
  }
  return Array.from({ length: times }, () => selected).flat()
}

function fail(message: string): never {
  console.error(message)
  process.exit(2)
}
