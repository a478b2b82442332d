import { globSync } from 'node:fs'

import { promises, type Promised } from '../promises.ts'
import { commandOf, layers, limits, type CommandName } from './layers.ts'
import type { FileResult, Result } from './run-file.ts'

/** Prints what was skipped, loudly, because a skipped layer has shown nothing. */
export function printSkipped(results: readonly Result[]): void {
  const skipped = results.filter(({ outcome }) => outcome === 'skipped')
  for (const [note, tests] of Map.groupBy(skipped, (result) => result.note)) {
    const files = new Set(tests.map(({ file }) => file))
    console.log(`SKIPPED ${tests.length} in ${[...files].join(', ')}: ${note}`)
  }
}

/** Prints what each layer has cost beside its budget; on a machine that does nothing else. */
export function printCosts(
  command: CommandName,
  ran: readonly FileResult[],
  wallSeconds: number,
  all: boolean,
): void {
  console.log(
    `\n${'layer'.padEnd(18)}${'files'.padStart(6)}${'tests'.padStart(7)}  processor (budget)`,
  )
  const row = (name: string, files: readonly FileResult[], budget: number): void => {
    const seconds = files.reduce((sum, file) => sum + file.processorSeconds, 0)
    const tests = files.reduce((sum, file) => sum + file.results.length, 0)
    const cost = `${seconds.toFixed(0)} s`.padStart(8)
    const over = all && seconds > budget ? ', EXCEEDED' : ''
    const counts = `${String(files.length).padStart(6)}${String(tests).padStart(7)}`
    console.log(`${name.padEnd(18)}${counts}${cost} (${budget} s)${over}`)
  }
  for (const { folder, budget } of layers) {
    const files = ran.filter(({ file }) => file.startsWith(`${folder}/`))
    if (files.length > 0) row(folder, files, budget[command])
  }
  const { processor, wall } = limits[command]
  row('all', ran, processor)
  console.log(`${wallSeconds.toFixed(0)} s in all, of ${wall} s on two quiet cores`)
}

/**
 * Prints the promises with what has shown each of them here, or that the other command shows it;
 * false if one was to be shown here and has not been.
 */
export function printPromises(
  command: CommandName,
  results: readonly Result[],
  root: string,
): boolean {
  let kept = true
  const files = globSync('**/*.test.ts', { cwd: `${root}test` })
  console.log(`\n${'promise'.padEnd(88)}shown by`)
  for (const promised of promises) {
    const shown = results.filter((result) => shows(promised, result))
    const count = (outcome: Result['outcome']): number =>
      shown.filter((result) => result.outcome === outcome).length
    const [passed, failed, skipped] = [count('passed'), count('failed'), count('skipped')]
    const isElsewhere = files.some(
      (file) =>
        commandOf(file) !== command &&
        promised.shownBy.some(({ file: part }) => file.startsWith(part)),
    )
    const elsewhere = command === 'test' ? 'the campaigns' : 'npm test'
    const isShown = failed === 0 && passed > 0
    // Where a program is missing, outside of CI, a whole layer may be skipped, and that was said.
    const isExcused = failed === 0 && skipped > 0 && process.env['CI'] !== 'true'
    const isLeft = shown.length === 0 && isElsewhere
    kept &&= isShown || isExcused || isLeft
    // A tick says that all of it was shown here.
    const mark = isShown ? (isElsewhere ? '~' : '✔') : isExcused || isLeft ? '-' : '✖'
    const parts = [
      passed && `here: ${passed} tests`,
      failed && `${failed} FAILED`,
      skipped && `${skipped} skipped`,
      isElsewhere && `${isLeft ? '' : 'the rest '}by ${elsewhere}`,
    ]
    const shownBy = parts.filter(Boolean).join(', ') || 'NOTHING'
    console.log(`${mark} ${promised.promise.padEnd(86)}${shownBy}`)
  }
  return kept
}

function shows({ shownBy }: Promised, { file, name }: Result): boolean {
  return shownBy.some((by) => file.startsWith(by.file) && (by.tests?.test(name) ?? true))
}
