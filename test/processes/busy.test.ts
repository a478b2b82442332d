// One way to be busy; the campaigns have all of them.
import { describe, test } from 'node:test'

import { keepsLease, losesLease } from '../support/busy.ts'
import { onEachStore } from '../support/test-store.ts'

describe('busy is not dead', { concurrency: 2 }, () => {
  onEachStore((on) => {
    test('a leader blocked for three ttls by Atomics.wait keeps the lease and its token', () =>
      keepsLease(on, 'Atomics.wait'))

    test('the control, blocked by Atomics.wait, loses the lease to a candidate', () =>
      losesLease(on, 'Atomics.wait'))
  })
})
