// The benchmark of schedules works: each row of its tables is there, with numbers. No time is judged.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { entries, intervalEntry } from '../../bench/schedule/entries.ts'
import { missing } from '../support/programs.ts'

const program = fileURLToPath(new URL('../../bench/schedule/run.ts', import.meta.url))

function bench(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8', timeout: 300_000 })
}

/** The rows of all tables, heads and lines excluded, as lists of cells. */
function rowsOf(text: string): string[][] {
  const lines = text.split('\n').filter((line) => line.startsWith('| '))
  const rows = lines.map((line) => line.split('|').slice(1, -1))
  const isRow = (_: unknown, at: number): boolean =>
    !lines[at]?.includes('---') && !lines[at + 1]?.includes('---')
  return rows.filter(isRow).map((cells) => cells.map((cell) => cell.trim()))
}

/** A number with its unit, if it has one. */
const isFigure = /^-?[\d,.]+( (ms|s|MB))?$/

const programs = { Redis: 'redis-server', PostgreSQL: 'postgres' } as const

describe('the benchmark of schedules', () => {
  let rows: string[][] = []

  before(() => {
    const { status, stdout, stderr } = bench('--quick')
    assert.equal(status, 0, stderr)
    assert.match(stdout, /no figure means anything/)
    rows = rowsOf(stdout)
  })

  function assertFigures(name: readonly string[], need: string | undefined, count: number): void {
    const row = rows.find(
      (cells) =>
        name.every((cell, i) => cells[i] === cell) && cells.length > name.length + count - 1,
    )
    assert.ok(row, `a row of ${name.join(', ')}`)
    const cells = row.slice(name.length)
    const isMissing =
      (need === 'Redis' || need === 'PostgreSQL') && missing(programs[need]) !== false
    if (isMissing) return assert.match(cells[0] ?? '', /is not installed/)
    for (const cell of cells.slice(0, count)) assert.match(cell, isFigure, name.join(', '))
  }

  test('tells the lateness of every contender', () => {
    for (const { shown, need } of entries) assertFigures([shown], need, 6)
  })

  test('tells what jobs cost that wait, of every contender and each number of jobs', () => {
    for (const jobs of ['10', '20']) {
      for (const { shown, need } of [...entries, intervalEntry]) {
        assertFigures([shown, jobs], need, 4)
      }
    }
  })

  test('tells what a claim costs on each store, beside its bare statement', () => {
    for (const store of ['SQLite', 'PostgreSQL'] as const) {
      if (store === 'PostgreSQL' && missing('postgres') !== false) {
        assertFigures([store], store, 4)
        continue
      }
      for (const way of ['a claim', 'a claim and its end', 'bare `INSERT`']) {
        for (const shown of [way, `${way}, 10 at once`]) assertFigures([store, shown], store, 3)
      }
    }
  })

  test('runs only the parts that are named', () => {
    const { status, stdout } = bench('--quick', '--only', 'claims')
    assert.equal(status, 0)
    assert.match(stdout, /^Claims/m)
    assert.doesNotMatch(stdout, /^Lateness|^Jobs of which/m)
  })

  test('explains itself, and what is wrong about its arguments', () => {
    const help = bench('--help')
    assert.equal(help.status, 0)
    assert.match(help.stdout, /^Usage: npm run bench:schedule/)
    const unknown = bench('--only', 'lateness,speed')
    assert.equal(unknown.status, 2)
    assert.match(unknown.stderr, /Expected `--only`.*lateness, idle, claims.*got "speed"/)
    assert.equal(bench('--fast').status, 2)
  })
})
