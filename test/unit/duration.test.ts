import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { formatDuration, parseDuration } from '../../src/duration.ts'
import type { Duration } from '../../src/index.ts'

describe('a duration', () => {
  test('is a number of milliseconds, or a number with its unit', () => {
    const durations: [Duration, number][] = [
      [250, 250],
      [0, 0],
      ['250ms', 250],
      ['20s', 20_000],
      ['1.5m', 90_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
      // 2.034 * 1_000 is not 2034, nor is 1.001 * 60_000 what it should be.
      ['2.034s', 2_034],
      ['1.001m', 60_060],
    ]
    for (const [given, ms] of durations) assert.equal(parseDuration(given, 'x'), ms)
  })

  test('without a unit, or with a wrong one, does not compile', () => {
    // @ts-expect-error a text needs a unit
    const plain: Duration = '20'
    // @ts-expect-error a week is no unit
    const week: Duration = '1w'
    for (const wrong of [plain, week]) {
      assert.throws(() => parseDuration(wrong, 'ttl'), {
        code: 'TENURE_ERR_DURATION',
        message: /`ttl`/,
      })
    }
  })

  test('reads as a person would write it', () => {
    assert.equal(formatDuration(20_000), '20s')
    assert.equal(formatDuration(1_500), '1.5s')
    assert.equal(formatDuration(90_000), '1.5m')
    assert.equal(formatDuration(0), '0ms')
    assert.equal(formatDuration(4_837.26), '4837.26ms')
  })
})
