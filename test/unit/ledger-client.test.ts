import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'

import { LedgerClient } from '../../src/instance/ledger-client.ts'

const request = { lease: 'scheduler', token: 1, atMs: 0 }
const died = { code: 'TENURE_ERR_HEART_DIED' }

describe('a call of the ledger', () => {
  test('is rejected if the heart dies before it answers', async () => {
    const client = new LedgerClient(() => true)
    const call = client.port.abandon(request)
    client.heartDied()
    await assert.rejects(call, died)
  })

  test('is rejected at once between two hearts, and not left without an answer', async () => {
    let hears = false
    const ids: number[] = []
    const client = new LedgerClient((command) => {
      if (hears && command.kind === 'ledger') ids.push(command.id)
      return hears
    })
    const asked = client.port.abandon(request).then(
      () => 'answered',
      ({ code }: { code: string }) => code,
    )
    assert.equal(await Promise.race([asked, setImmediate('not answered')]), died.code)
    hears = true
    const call = client.port.abandon(request)
    const reply = { kind: 'superseded', token: 2 } as const
    client.hear(ids[0] ?? 0, { kind: 'replied', reply })
    assert.deepEqual(await call, reply)
  })
})
