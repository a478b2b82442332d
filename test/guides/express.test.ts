import assert from 'node:assert/strict'
import { test } from 'node:test'

import { openGuide, readGuide } from '../support/guide.ts'

test('the guide to Express runs as written', async (t) => {
  const guide = readGuide('express')
  const project = openGuide(t, guide)
  for (const transcript of guide.transcripts) await project.follow(transcript)
  process.kill(project.number('4003'), 'SIGTERM')
  assert.deepEqual(await project.exits(), [0, 'SIGKILL', 0])
  assert.deepEqual(await project.ended(), ['stopped', 'crashed', 'stopped'])
})
