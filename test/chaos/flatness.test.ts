import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { chartOf, judge } from './flatness.ts'

const tolerance = { share: 0.05, plus: 2 }
const series = (valueAt: (index: number) => number): number[] =>
  Array.from({ length: 100 }, (_, index) => valueAt(index))

describe('a series of a soak', () => {
  test('that goes up and down around one value is flat', () => {
    assert.ok(
      judge(
        series((index) => 100 + 10 * Math.sin(index)),
        tolerance,
      ).flat,
    )
  })

  test('that rises while the process warms up, and not after that, is flat', () => {
    assert.ok(
      judge(
        series((index) => Math.min(100, 5 * index)),
        tolerance,
      ).flat,
    )
  })

  test('that rises slowly all the time is not flat', () => {
    assert.equal(
      judge(
        series((index) => 100 + index / 4),
        tolerance,
      ).flat,
      false,
    )
  })

  test('that is too short to be judged is not flat', () => {
    assert.equal(judge([1, 1, 1], tolerance).flat, false)
  })

  test('is drawn from nothing to its highest value', () => {
    assert.equal(chartOf([0, 4, 8]), ' ▄█')
    assert.equal(chartOf(series(() => 7)), '█'.repeat(60))
  })
})
