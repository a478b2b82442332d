import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'

import type { CommandName } from './layers.ts'

/** The least share of lines that have to run, threads and spawned processes counted, in percent. */
const linesMin = 90

/** Has all that is started from here on say which lines it ran. */
export function beginCoverage(root: string, command: CommandName): void {
  const folder = `${root}coverage`
  // The campaigns add to what `npm test` has shown.
  if (command === 'test') rmSync(folder, { recursive: true, force: true })
  mkdirSync(`${folder}/tmp`, { recursive: true })
  process.env['NODE_V8_COVERAGE'] = `${folder}/tmp`
  // Of code that comes from the cache V8 counts less precisely.
  delete process.env['NODE_COMPILE_CACHE']
}

/** Prints which share of the lines ran; false if that is too little. */
export function reportCoverage(root: string): boolean {
  delete process.env['NODE_V8_COVERAGE']
  const folder = `${root}coverage`
  const reporters = ['text-summary', 'lcov', 'json-summary'].flatMap((name) => ['--reporter', name])
  const most = ['--branches', '0', '--functions', '0', '--statements', '0']
  const check = ['--check-coverage', '--lines', String(linesMin), ...most]
  const folders = ['--temp-directory', `${folder}/tmp`, '--reports-dir', folder]
  const args = ['report', '--all', '--src', 'src', '--include', 'src/**/*.ts', ...folders]
  const { status } = spawnSync('c8', [...args, ...check, ...reporters], {
    cwd: root,
    stdio: 'inherit',
  })
  return status === 0
}
