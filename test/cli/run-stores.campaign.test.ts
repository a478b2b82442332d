import { describe } from 'node:test'

import { commandCases } from '../support/command-cases.ts'
import { onEachStore } from '../support/test-store.ts'

describe('tenure run', { concurrency: 2 }, () => {
  onEachStore((store) => commandCases(store))
})
