import { hostname, userInfo } from 'node:os'

import { createSystemClock } from '../clock.ts'
import { sharedTenureOf } from './connect.ts'
import { flagsWith, UsageError, type Flags } from './flags.ts'
import { print } from './output.ts'
import type { Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'

/** `tenure raise-token`. */
export const raiseTokenSubcommand: Subcommand = {
  name: 'raise-token',
  summary: 'raises the fencing tokens of a store that was restored',
  synopsis: '--to TOKEN [flags]',
  about: `
Raises the counter of fencing tokens, so that the next term has a higher one. A store that was
restored from a backup may have forgotten tokens that databases have seen; those refuse the writes
of its leaders, with the error TENURE_ERR_FENCED, which names the token to give here.

A leader with a lower token is asked to resign: the next term begins at once. The counter is never
lowered.`,
  flags: flagsWith(
    { name: 'to', value: 'TOKEN', about: 'the highest token that any database has seen' },
    { name: 'by', value: 'NAME', about: 'who does it, for the log', fallback: 'user@host' },
  ),
  exitCodes: [
    ['0', 'the next token is higher than that'],
    ['1', 'the store cannot be used'],
  ],
  examples: [['tenure raise-token --to 20000', 'the next term has the token 20001']],

  async run(flags: Flags): Promise<number> {
    const json = flags.has('json')
    const to = tokenOf(flags.text('to'))
    const by = flags.text('by') ?? `${userName()}@${hostname()}`
    const voice = new Voice({ json, clock: createSystemClock(), level: 'error' })
    const tenure = sharedTenureOf(flags, voice)
    try {
      const outcome = await tenure.raiseToken({ to, by })
      const { kind, token, leaderAsked } = outcome
      const how =
        kind === 'raised'
          ? `The counter of fencing tokens was raised to ${token}.`
          : `The counter of fencing tokens is at ${token}, and was left as it is.`
      const who = leaderAsked ? ' The leader, whose token is lower, was asked to resign.' : ''
      print(json ? JSON.stringify({ outcome: kind, token, leaderAsked, by }) : how + who)
      return 0
    } finally {
      await tenure.stop()
    }
  },
}

/** Who runs the command; a container may have a user without a name. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? 'somebody')
  }
}

function tokenOf(text: string | undefined): number {
  const token = Number(text)
  if (text !== undefined && /^\d+$/.test(text) && Number.isSafeInteger(token) && token > 0) {
    return token
  }
  throw new UsageError(`Expected --to to be a whole number above 0; got ${text ?? 'nothing'}.`)
}
