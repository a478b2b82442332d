// Breaks one rule: what is imported after this module is that broken variant.
import assert from 'node:assert/strict'
import { registerHooks } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'

import type { Mutant } from '../mutants/mutants.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Everything that is imported from here on finds one place of one file changed. */
export function breakSource({ file, from, to }: Mutant): void {
  const broken = pathToFileURL(`${root}${file}`).href
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context)
      if (url !== broken) return loaded
      const { source = '' } = loaded
      const code = typeof source === 'string' ? source : new TextDecoder().decode(source ?? '')
      const parts = code.split(from)
      assert.equal(parts.length, 2, `the text to be changed occurs once in ${file}`)
      return { ...loaded, source: parts.join(to) }
    },
  })
}
