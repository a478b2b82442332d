// What others may do to the files of a SQLite database while it is in use: all that we know of.
import { describe, test } from 'node:test'

import { cannotMount } from '../support/mount-namespace.ts'
import { harmlessDeeds, takingDeeds, type Deed } from '../support/sqlite-deeds.ts'
import { endsNothing, endsTheTerm } from '../support/sqlite-scene.ts'

const skipOf = ({ mounts }: Deed): string | false => (mounts ? cannotMount() : false)

describe('what takes files or locks away ends the term, with a reason', { concurrency: 3 }, () => {
  for (const deed of Object.values<Deed>(takingDeeds)) {
    test(deed.what, { skip: skipOf(deed) }, () => endsTheTerm(deed))
  }
})

describe('what only reads, or takes nothing away, ends nothing', { concurrency: 3 }, () => {
  for (const deed of Object.values<Deed>(harmlessDeeds)) {
    test(deed.what, { skip: skipOf(deed) }, () => endsNothing(deed))
  }
})
