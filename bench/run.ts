// `npm run bench`: the figures that the documentation names. Let nothing else run meanwhile.
import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { benchCrash } from './crash.ts'
import { benchCrowd } from './crowd.ts'
import { benchHandover } from './handover.ts'
import { benchIsLeader } from './is-leader.ts'

const benches: Readonly<Record<string, () => Promise<void>>> = {
  'is-leader': benchIsLeader,
  handover: benchHandover,
  crash: benchCrash,
  crowd: benchCrowd,
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { help: { type: 'boolean', short: 'h', default: false } },
})
const unknown = positionals.filter((name) => !(name in benches))
if (values.help || unknown.length > 0) {
  if (unknown.length > 0) console.error(`Unknown benchmark: ${unknown.join(', ')}`)
  console.log(`Usage: npm run bench [-- name ...]\n\n  ${Object.keys(benches).join('\n  ')}`)
  process.exit(unknown.length > 0 ? 2 : 0)
}

if (globalThis.gc === undefined) {
  // Garbage is collected by hand, between two rounds, and no round can fill the young generation.
  const flags = ['--expose-gc', '--min-semi-space-size=256', '--max-semi-space-size=256']
  const args = [...flags, fileURLToPath(import.meta.url), ...positionals]
  process.exit(spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1)
}

console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}\n`)
for (const [name, bench] of Object.entries(benches)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue
  await bench()
  console.log()
}
