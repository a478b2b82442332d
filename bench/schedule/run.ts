// `npm run bench:schedule`: what schedules cost, beside other schedulers. Let nothing else run.
import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { messageOf } from '../../src/errors.ts'
import { benchClaims } from './claims.ts'
import { endAll } from './endings.ts'
import { benchIdle } from './idle.ts'
import { benchLateness } from './lateness.ts'
import { full, quick, type Scale } from './scale.ts'
import { tell } from './table.ts'

const parts: Readonly<Record<string, (scale: Scale) => Promise<void>>> = {
  lateness: benchLateness,
  idle: benchIdle,
  claims: benchClaims,
}

const usage = `Usage: npm run bench:schedule [-- options]

  --only parts  measure some parts only, with commas between them: ${Object.keys(parts).join(', ')}
  --quick       a few jobs, for a moment, all at once: shows that it works; no figure means anything
  -h, --help    this text

Tables are printed to stdout, in Markdown; how far it is, to stderr. All of it takes about half an
hour. Let nothing else run meanwhile.`

function wrongUsage(message: string): never {
  console.error(`${message}\n\n${usage}`)
  process.exit(2)
}

function readArguments(): { help: boolean; quick: boolean; names: readonly string[] } {
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        quick: { type: 'boolean', default: false },
        only: { type: 'string', default: Object.keys(parts).join(',') },
      },
    })
    return { help: values.help, quick: values.quick, names: values.only.split(',') }
  } catch (error) {
    return wrongUsage(messageOf(error))
  }
}

const given = readArguments()
if (given.help) {
  console.log(usage)
  process.exit(0)
}
const unknown = given.names.filter((name) => !Object.hasOwn(parts, name))
if (unknown.length > 0) {
  const known = Object.keys(parts).join(', ')
  wrongUsage(`Expected \`--only\` to name some of ${known}; got ${JSON.stringify(unknown.join())}.`)
}

for (const [signal, exitCode] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => void endAll().finally(() => process.exit(exitCode)))
}

// The other schedulers, which nothing else needs.
const installer = fileURLToPath(new URL('../../scripts/install-missing.mjs', import.meta.url))
try {
  execFileSync(process.execPath, [installer, 'bench/schedule'], { stdio: 'inherit' })
} catch {
  process.exit(1)
}

try {
  if (given.quick) {
    console.log('A quick look, with many things at once: no figure means anything.\n')
  } else {
    tell('building')
    // As people install it: types that are stripped when a thread starts would be measured, too.
    const build = fileURLToPath(new URL('../../scripts/build.ts', import.meta.url))
    execFileSync(process.execPath, [build], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  console.log(`Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'unknown'}\n`)
  for (const [name, bench] of Object.entries(parts)) {
    if (!given.names.includes(name)) continue
    await bench(given.quick ? quick : full)
    console.log()
  }
} finally {
  await endAll()
}
