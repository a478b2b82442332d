import assert from 'node:assert/strict'
import { test } from 'node:test'

import { PushNotice } from '../../src/heart/push-notice.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

test('that no pushes come is said once an hour for each cause', () => {
  const clock = new FakeClock()
  const said: unknown[] = []
  const notice = new PushNotice(clock, ({ message }) => void said.push(message))
  for (let cuts = 0; cuts < 100; cuts++) {
    notice.failed(new Error('cut when idle'))
    clock.advance(130)
  }
  notice.failed(new Error('through a pooler'))
  assert.deepEqual(said, ['cut when idle', 'through a pooler'])
  clock.advance(3_600_000)
  notice.failed(new Error('cut when idle'))
  assert.equal(said.length, 3)
})

test('of causes that differ each time only so many are remembered', () => {
  const clock = new FakeClock()
  let said = 0
  const notice = new PushNotice(clock, () => void said++)
  for (let causes = 0; causes < 1_000; causes++) notice.failed(new Error(`cause ${causes}`))
  notice.failed(new Error('cause 999'))
  notice.failed(new Error('cause 0'))
  assert.equal(said, 1_001)
})
