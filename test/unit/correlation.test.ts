import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { correlationId, withCorrelationId } from '../../src/index.ts'
import { isCorrelationId } from '../../src/correlation.ts'

describe('a correlation id', () => {
  test('is in force in all that is started and awaited within, and not outside', async () => {
    const seen: (string | undefined)[] = []
    const result = await withCorrelationId('outer', async () => {
      seen.push(correlationId())
      await Promise.resolve()
      seen.push(withCorrelationId('inner', correlationId))
      seen.push(correlationId())
      return 'result'
    })
    assert.equal(result, 'result')
    assert.deepEqual(seen, ['outer', 'inner', 'outer'])
    assert.equal(correlationId(), undefined)
  })

  test('is put back also when the work throws', () => {
    withCorrelationId('outer', () => {
      assert.throws(() =>
        withCorrelationId('inner', () => {
          throw new Error('on purpose')
        }),
      )
      assert.equal(correlationId(), 'outer')
    })
    assert.equal(correlationId(), undefined)
  })

  test('is checked for its length and its characters', () => {
    for (const id of ['', 'x'.repeat(129), 'a b', 'a\n', 'ä', '<script>', undefined, 7]) {
      assert.equal(isCorrelationId(id), false)
      assert.throws(() => withCorrelationId(id as string, () => {}), {
        code: 'TENURE_ERR_CORRELATION_ID',
      })
    }
    for (const id of [
      'x',
      'x'.repeat(128),
      '00-4bf92f3577b34da6a3ce929d0e0e4736-01',
      'a/b:c=@+._',
    ]) {
      assert.equal(withCorrelationId(id, correlationId), id)
    }
  })
})
