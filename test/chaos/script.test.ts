import assert from 'node:assert/strict'
import { test } from 'node:test'

import { drawScript } from './script.ts'

test('a seed draws the same faults, and another one draws others', () => {
  const options = { store: 'PostgreSQL', durationMs: 600_000 } as const
  const script = drawScript({ ...options, seed: 7 })
  assert.ok(script.length > 300)
  assert.deepEqual(drawScript({ ...options, seed: 7 }), script)
  assert.notDeepEqual(drawScript({ ...options, seed: 8 }), script)
})
