import assert from 'node:assert/strict'
import { test } from 'node:test'

import { openGuide, readGuide } from '../support/guide.ts'

test('the guide to node:cluster runs as written', async (t) => {
  const guide = readGuide('node-cluster')
  const project = openGuide(t, guide)
  for (const transcript of guide.transcripts) await project.follow(transcript)
  assert.deepEqual(await project.exits(), [0])
  const [first, second, ...others] = await project.ended()
  assert.deepEqual([first, second], ['stopped', 'crashed'])
  // As all workers stop, one that has not been told yet may lead for a moment.
  assert.ok(others.length > 0 && others.every((reason) => reason === 'stopped'))
})
