// That `npm run bench:schedule` measures all that it says; no figure is looked at.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'

import { entries, intervalEntry } from '../../bench/schedule/entries.ts'
import { missing } from '../support/programs.ts'

const program = fileURLToPath(new URL('../../bench/schedule/run.ts', import.meta.url))

interface Ended {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function bench(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { timeout: 300_000 } as const
    const child = execFile(
      process.execPath,
      [program, ...args],
      options,
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    )
  })
}

/** The rows of a table, after the line that begins like this, each as its cells. */
function rowsOf(stdout: string, title: string): string[][] {
  const lines = stdout.split('\n')
  const from = lines.findIndex((line) => line.startsWith(title))
  assert.ok(from >= 0, `there is "${title}" in:\n${stdout}`)
  const table = lines.slice(from + 2)
  const length = table.findIndex((line) => !line.startsWith('|'))
  return table.slice(2, length === -1 ? undefined : length).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  )
}

describe('npm run bench:schedule', () => {
  test('measures each part for each scheduler', { skip: missing('redis-server') }, async () => {
    const { code, stdout, stderr } = await bench('--quick')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /no figure means anything/)
    const shown = entries.map((entry) => entry.shown)
    const lateness = rowsOf(stdout, 'Lateness of')
    assert.deepEqual(
      lateness.map(([name]) => name),
      shown,
    )
    for (const [name, ...figures] of lateness) {
      assert.ok(figures.length === 6 && figures.every((figure) => /^\d+( ms)?$/.test(figure)), name)
    }
    const idle = rowsOf(stdout, 'Jobs of which none is due')
    const [first, ...others] = shown
    const each = [first, intervalEntry.shown, ...others]
    assert.deepEqual(
      idle.map(([name]) => name),
      [...each, ...each],
    )
    for (const [name, ...figures] of idle) {
      const [jobs = '', registration = '', cpu = '', rss = '', heap = ''] = figures
      assert.match(jobs, /^[12]0$/, name)
      assert.match(registration, /^\d+\.\d\d s$/, name)
      assert.match(cpu, /^\d+ ms$/, name)
      for (const size of [rss, heap]) assert.match(size, /^-?\d+\.\d MB$/, name)
    }
    const claims = rowsOf(stdout, 'Claims:')
    assert.equal(claims.length, 12)
    for (const [store, what, median = '', p99 = '', perSecond = ''] of claims) {
      for (const time of [median, p99]) assert.match(time, /^\d+\.\d\d ms$/, `${store} ${what}`)
      assert.match(perSecond, /^[\d,]+$/, `${store} ${what}`)
    }
  })

  test('says how it is used, also where it was used wrongly', async () => {
    const help = await bench('--help')
    assert.equal(help.code, 0)
    assert.match(help.stdout, /^Usage: npm run bench:schedule.*--only.*--quick/s)
    const wrong = await bench('--only', 'idle,speed')
    assert.equal(wrong.code, 2)
    assert.match(
      wrong.stderr,
      /Expected `--only` to name some of lateness, idle, claims; got "speed"/,
    )
    assert.equal((await bench('--telepathy')).code, 2)
  })
})
