// The simulator catches each broken variant of a safety rule, with the seeds that it has.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

import { ledgerMutants } from '../mutants/ledger-mutants.ts'
import { mutants } from '../mutants/mutants.ts'
import { caughtBy, notShown, simulatedMutants } from './mutants.ts'
import { catchMutant } from './runner.ts'

/** A change of the code shifts what seeds draw: then some more are tried. */
const moreSeeds = 150

describe('of the broken variants', { concurrency: 2 }, () => {
  for (const [index, { what }] of simulatedMutants.entries()) {
    test(`"${what}" is caught`, async () => {
      const known = caughtBy[what]
      const more = Array.from({ length: moreSeeds }, (_, i) => i + 1)
      const caught = await catchMutant(index, known === undefined ? more : [known, ...more])
      assert.ok(caught !== undefined, `not in ${moreSeeds} seeds`)
    })
  }

  test('all stand in the table of the documentation, with how many seeds they took', () => {
    const rows = readFileSync(new URL('../../docs/simulation.md', import.meta.url), 'utf8')
    for (const [index, { what }] of simulatedMutants.entries()) {
      const row = rows.split('\n').find((line) => line.startsWith(`| ${index + 1} | ${what} |`))
      assert.match(row ?? '', /\| \d+ \| [^|]+ \|$/, what)
    }
    for (const what of Object.keys(notShown)) assert.ok(rows.includes(what), what)
  })

  test('none that the simulator does not show is forgotten', () => {
    for (const what of Object.keys(notShown)) {
      assert.ok(
        [...mutants, ...ledgerMutants].some((mutant) => mutant.what === what),
        what,
      )
    }
    assert.ok(simulatedMutants.length >= 40)
  })
})
