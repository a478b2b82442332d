// The simulator catches each broken variant of a safety rule, each with a seed of its own.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

import { jobMutants } from '../mutants/job-mutants.ts'
import { leaseMutants } from '../mutants/lease-mutants.ts'
import { ledgerMutants } from '../mutants/ledger-mutants.ts'
import { notShown, simulatedMutants } from './mutants.ts'
import { catchMutant, runSeeds } from './runner.ts'

/** A change of the code shifts what seeds draw: then some more are tried. */
const moreSeeds = 150

describe('of the broken variants', { concurrency: 2 }, () => {
  test('none is needed: unchanged, the seeds that catch them are clean', async () => {
    const seeds = new Set(simulatedMutants.map(({ seed = 1 }) => seed)).values()
    await runSeeds(
      1,
      () => seeds.next().value,
      ({ seed, violation }) => assert.equal(violation, undefined, `seed ${seed}`),
    )
  })

  for (const mutant of simulatedMutants) {
    test(`"${mutant.what}" is caught`, async () => {
      const more = Array.from({ length: moreSeeds }, (_, i) => i + 1)
      const caught = await catchMutant(mutant, [mutant.seed ?? 1, ...more])
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

  test('those that have no seed have a reason, and no others', () => {
    const ofUnitTests = [...leaseMutants, ...jobMutants, ...ledgerMutants]
    const without = ofUnitTests.filter(({ seed }) => seed === undefined)
    assert.deepEqual(without.map(({ what }) => what).toSorted(), Object.keys(notShown).toSorted())
    assert.ok(simulatedMutants.length >= 40)
  })
})
