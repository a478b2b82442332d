import { createSystemClock } from '../clock.ts'
import { leaseViewOf } from '../dashboard/page.ts'
import type { Status } from '../index.ts'
import { sharedTenureOf } from './connect.ts'
import { flagsWith, type Flags } from './flags.ts'
import { print } from './output.ts'
import { paintFor } from './paint.ts'
import { statusText } from './status-text.ts'
import type { Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'
import { jsonText, plainTexts } from './words.ts'

/** `tenure status`. */
export const statusSubcommand: Subcommand = {
  name: 'status',
  summary: 'shows who leads, and the history of terms',
  synopsis: '[flags]',
  about: `
Shows the lease as it stands in the store: who leads, until when, and who has led before. It only
looks: it is no candidate, and where there is no store yet it makes none.`,
  flags: flagsWith(),
  exitCodes: [
    ['0', 'somebody leads'],
    ['1', 'the store cannot be used'],
    ['3', 'nobody leads'],
  ],
  examples: [
    ['tenure status', 'of the lease "scheduler"'],
    ['tenure status --json | jq .leader.token', 'the fencing token of the leader'],
  ],

  async run(flags: Flags): Promise<number> {
    const voice = new Voice({ json: flags.has('json'), clock: createSystemClock(), level: 'warn' })
    const tenure = sharedTenureOf(flags, voice)
    try {
      const status = await tenure.status()
      // A store that cannot be used is not one in which nobody leads.
      if (status.storeError !== undefined) throw new Error(status.storeError)
      const view = plainTexts(leaseViewOf(status))
      print(
        flags.has('json')
          ? jsonText(plainStatusOf(status))
          : statusText(view, paintFor(process.stdout)),
      )
      return view.leader === undefined ? 3 : 0
    } finally {
      await tenure.stop()
    }
  },
}

/** The part of a status that is not about this very process, which leads nothing. */
function plainStatusOf(status: Status): object {
  const { takenAtMs, settings, lease: record, lastToken, terms } = status
  const leader = record === undefined || record.remainingMs === 0 ? undefined : record
  return {
    takenAtMs,
    store: settings.store,
    lease: settings.lease,
    applications: plainTexts(leaseViewOf(status).applications),
    leader: leader ?? null,
    record: record ?? null,
    lastToken,
    terms,
  }
}
