import { readFileSync } from 'node:fs'

import { createSystemClock } from '../clock.ts'
import { TenureError, type ErrorCode } from '../index.ts'
import { parseFlags, UsageError } from './flags.ts'
import { jobsSubcommand } from './jobs.ts'
import { print } from './output.ts'
import { raiseTokenSubcommand } from './raise-token.ts'
import { resignSubcommand } from './resign.ts'
import { runSubcommand } from './run.ts'
import { serveSubcommand } from './serve.ts'
import { statusSubcommand } from './status.ts'
import { helpOf, overviewOf, type Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'
import { watchSubcommand } from './watch.ts'

const subcommands: readonly Subcommand[] = [
  runSubcommand,
  serveSubcommand,
  jobsSubcommand,
  statusSubcommand,
  watchSubcommand,
  resignSubcommand,
  raiseTokenSubcommand,
]

/** What is wrong with the call, and not with the world. */
const usageCodes: ReadonlySet<ErrorCode> = new Set([
  'TENURE_ERR_OPTION_TYPE',
  'TENURE_ERR_OPTION_UNKNOWN',
  'TENURE_ERR_OPTION_RELATION',
  'TENURE_ERR_DURATION',
  'TENURE_ERR_LEASE_NAME',
  'TENURE_ERR_STORE_URL',
])

/** Does what the arguments of the command say, and returns the exit code. */
export async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === '--help' || name === '-h') {
    print(overviewOf(subcommands))
    return 0
  }
  if (name === '--version') {
    print(version())
    return 0
  }
  const subcommand = subcommands.find((one) => one.name === name)
  if (subcommand === undefined) {
    const names = subcommands.map((one) => one.name).join(', ')
    const message = `Expected a command out of [${names}]; got ${name ?? 'nothing'}.`
    return fail({ message, exitCode: 2, help: 'tenure --help', json: false })
  }
  const { own, rest } = split(subcommand, args)
  try {
    return await call(subcommand, own, rest)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const isUsage =
      error instanceof UsageError || (error instanceof TenureError && usageCodes.has(error.code))
    const { message } = error
    const help = isUsage ? `tenure ${subcommand.name} --help` : undefined
    return fail({ message, exitCode: isUsage ? 2 : 1, help, json: own.includes('--json') })
  }
}

/** What is meant for the command itself, and what follows `--` where that is somebody else's. */
function split(
  { takesCommand }: Subcommand,
  args: readonly string[],
): { own: readonly string[]; rest: readonly string[] } {
  const at = takesCommand ? args.indexOf('--') : -1
  return at === -1 ? { own: args, rest: [] } : { own: args.slice(0, at), rest: args.slice(at + 1) }
}

async function call(
  subcommand: Subcommand,
  own: readonly string[],
  rest: readonly string[],
): Promise<number> {
  const { name, synopsis, takesCommand, argumentsMax = 0 } = subcommand
  const flags = parseFlags(own, subcommand.flags)
  if (flags.has('help')) {
    print(helpOf(subcommand))
    return 0
  }
  const besides = flags.arguments[argumentsMax]
  if (besides !== undefined) {
    throw new UsageError(`Expected tenure ${name} ${synopsis}; got ${besides} besides.`)
  }
  return subcommand.run(flags, takesCommand ? rest : flags.arguments)
}

function version(): string {
  const path = new URL('../../package.json', import.meta.url)
  return (JSON.parse(readFileSync(path, 'utf8')) as { version: string }).version
}

interface Failure {
  readonly message: string
  readonly exitCode: 1 | 2
  /** What to call to learn more. */
  readonly help: string | undefined
  readonly json: boolean
}

function fail({ message, exitCode, help, json }: Failure): number {
  const voice = new Voice({ json, clock: createSystemClock(), level: 'error' })
  voice.say('failed', help === undefined ? message : `${message} See ${help}`, {}, 'error')
  return exitCode
}
