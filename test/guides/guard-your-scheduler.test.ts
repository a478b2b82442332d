import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { nestPackages, openGuide, readGuide } from '../support/guide.ts'

const written = readGuide('guard-your-scheduler')
const schedulers = ['node-cron', 'croner', '@nestjs/schedule']
const guide = { ...written, packages: [...written.packages, ...schedulers, ...nestPackages] }
const [nodeCron = '', croner = '', nest = ''] = guide.transcripts

describe('the guide to guards runs as written', { concurrency: true }, () => {
  for (const { name, transcript } of [
    { name: 'node-cron', transcript: nodeCron },
    { name: 'croner', transcript: croner },
  ]) {
    test(`with ${name}: a report that goes on ends before the lease is released`, async (t) => {
      assert.ok(transcript.includes(name))
      const project = openGuide(t, guide)
      await project.follow(transcript)
      process.kill(project.number('4002'), 'SIGTERM')
      assert.deepEqual(await project.exits(), [0, 0])
      assert.deepEqual(await project.ended(), ['stopped', 'stopped'])
    })
  }

  test('with @nestjs/schedule: a report that goes on ends before the lease is released', async (t) => {
    // The files of the one guide, and those that the other has instead.
    const files = new Map([...readGuide('nestjs').files, ...guide.files])
    files.delete('src/carts.service.ts')
    const project = openGuide(t, { ...guide, files })
    await project.follow(nest)
    process.kill(project.number('4002'), 'SIGTERM')
    assert.deepEqual(await project.exits(), [0, 'SIGTERM', 'SIGTERM'])
    assert.deepEqual(await project.ended(), ['stopped', 'stopped'])
  })
})
