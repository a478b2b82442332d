#!/usr/bin/env node
import { faultOfNode } from '../instance/node-version.ts'

// What an old Node.js does not understand is not even loaded.
const fault = faultOfNode(process.versions.node)
if (fault === undefined) {
  const { main } = await import('./command.ts')
  process.exitCode = await main(process.argv.slice(2))
} else {
  process.stderr.write(`tenure: error: ${fault}\n`)
  process.exitCode = 1
}
