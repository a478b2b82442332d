// A check that cannot fail is worthless: what is no caught mutant is not taken for one.
import assert from 'node:assert/strict'
import { before, describe, test } from 'node:test'

import type { Mutant } from './mutant.ts'
import { assertCaught, runSuite } from './run-suite.ts'

const suite = 'heart-parts'
const caught: Mutant = {
  what: 'a stopped process is taken for a stalled one',
  file: 'src/heart/stall-gate.ts',
  from: 'Math.min(nowMs - this.#tickedAtMs, 2 * tickMs)',
  to: 'nowMs - this.#tickedAtMs',
  suite,
}

describe('a mutant is not caught', () => {
  let known: ReadonlySet<string>
  before(async () => {
    known = (await runSuite(suite, [], [])).passed
  })

  const cases: { what: string; mutant: Partial<Mutant>; says: RegExp }[] = [
    { what: 'if nothing fails', mutant: { to: caught.from }, says: /ended with 0/ },
    {
      what: 'if its text does not occur',
      mutant: { from: 'no such text' },
      says: /occurs once in src\/heart\/stall-gate\.ts: no such text/,
    },
    { what: 'if its text occurs twice', mutant: { from: 'tickedAtMs' }, says: /occurs once/ },
    { what: 'if one more of its places does not', mutant: { also: [caught] }, says: /occurs once/ },
    { what: 'if it is no code', mutant: { to: 'nowMs - ]' }, says: /ended with 1\n.*SyntaxError/s },
    {
      what: 'if it cannot be loaded',
      mutant: { from: 'export class', to: 'noSuchThing()\nexport class' },
      says: /ended with 1\n.*noSuchThing/s,
    },
    {
      what: 'if another test fails than the one it names',
      mutant: { test: 'a stalled main thread is found out' },
      says: /these tests have failed: ;/,
    },
    { what: 'if there is no such suite', mutant: { suite: 'nothing' }, says: /ended with 1/ },
  ]
  for (const { what, mutant, says } of cases) {
    test(what, async () => {
      await assert.rejects(assertCaught({ ...caught, ...mutant }, known), { message: says })
    })
  }

  test('but this one is', async () => {
    await assertCaught(caught, known)
    await assert.rejects(assertCaught(caught, new Set()), /does not pass without it/)
  })
})
