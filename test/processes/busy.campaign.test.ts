import { describe, test } from 'node:test'

import { blocks, type BlockName } from '../support/blocks.ts'
import { keepsLease, losesLease } from '../support/busy.ts'
import { onEachStore } from '../support/test-store.ts'

const ways = Object.keys(blocks) as BlockName[]

onEachStore((on) => {
  describe('busy is not dead', { concurrency: 4 }, () => {
    for (const how of ways) {
      test(`a leader blocked for three ttls by ${how} keeps the lease and its token`, () =>
        keepsLease(on, how))
    }
  })

  describe('the control: with the heartbeat on the event loop', { concurrency: 4 }, () => {
    // A saturated thread pool does not block the event loop, and SQLite does not use the pool.
    for (const how of ways.filter((way) => way !== 'saturated thread pool')) {
      test(`a leader blocked by ${how} loses the lease to a candidate`, () => losesLease(on, how))
    }
  })
})
