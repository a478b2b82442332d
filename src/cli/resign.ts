import { createSystemClock, sleep, type Clock } from '../clock.ts'
import { leaseViewOf, type LeaseView } from '../dashboard/page.ts'
import type { Tenure } from '../index.ts'
import { sharedTenureOf } from './connect.ts'
import { flagsWith, type Flags } from './flags.ts'
import { print } from './output.ts'
import type { Subcommand } from './subcommand.ts'
import { withPlace } from './term-table.ts'
import { Voice } from './voice.ts'
import { jsonText, plainTexts, spanOf } from './words.ts'

/** How often the store is asked whether the term has ended. */
const lookMs = 250
const waitMsDefault = 30_000

/** `tenure resign`. */
export const resignSubcommand: Subcommand = {
  name: 'resign',
  summary: 'asks the leader to resign, and waits until it has',
  synopsis: '[flags]',
  about: `
Asks the leader to give the lease up. It meets the request at its next heartbeat or at once,
lets running work end within its drain, and releases the lease. The request is bound to the
present term: a leader that comes later is not concerned.`,
  flags: flagsWith(
    {
      name: 'cool-down',
      value: 'DURATION',
      about: 'for how long it is no candidate then',
      fallback: 'the ttl',
    },
    {
      name: 'wait',
      value: 'DURATION',
      about: 'how long to wait until the term has ended; 0s only asks',
      fallback: spanOf(waitMsDefault).replace(' ', ''),
    },
  ),
  exitCodes: [
    ['0', 'the term has ended; with --wait 0s: the leader was asked'],
    ['1', 'nobody leads; or the term goes on; or the store cannot be read'],
  ],
  examples: [
    ['tenure resign', 'have another instance lead'],
    ['tenure resign --cool-down 10m', 'and keep this one away for a while'],
  ],

  async run(flags: Flags): Promise<number> {
    const clock = createSystemClock()
    const json = flags.has('json')
    const waitMs = flags.durationMs('wait') ?? waitMsDefault
    const coolDown = flags.durationMs('cool-down')
    const tenure = sharedTenureOf(flags, new Voice({ json, clock, level: 'warn' }))
    const tell = (text: string, fields: object): void => print(json ? jsonText(fields) : text)
    try {
      const reply = await tenure.requestResign(coolDown === undefined ? {} : { coolDown })
      if (reply.kind === 'no-leader') {
        tell(`Nobody leads the lease ${tenure.settings.lease}.`, { outcome: 'no-leader' })
        return 1
      }
      const { holder, fencingToken } = reply
      const fields = { holder, fencingToken }
      const after = await viewAfter(tenure, fencingToken, waitMs, clock)
      if (after !== undefined) {
        tell(endText(after, fencingToken), {
          outcome: 'ended',
          ...fields,
          ...endFields(after, fencingToken),
        })
        return 0
      }
      const still = waitMs === 0 ? '' : `, and still leads after ${spanOf(waitMs)}`
      const text = `The leader with fencing token ${fencingToken} was asked to resign${still}.`
      tell(text, { outcome: 'asked', ...fields })
      return waitMs === 0 ? 0 : 1
    } finally {
      await tenure.stop()
    }
  },
}

/** The lease as soon as it is not in that term any more; `undefined` if that takes too long. */
async function viewAfter(
  tenure: Tenure,
  fencingToken: number,
  waitMs: number,
  clock: Clock,
): Promise<LeaseView | undefined> {
  const endMs = clock.monotonicMs() + waitMs
  const never = new AbortController().signal
  while (clock.monotonicMs() < endMs) {
    const view = plainTexts(leaseViewOf(await tenure.status()))
    if (view.error === undefined && view.leader?.token !== fencingToken) return view
    await sleep(clock, lookMs, never)
  }
  return undefined
}

function endText({ terms, leader }: LeaseView, fencingToken: number): string {
  const term = terms.find(({ token }) => token === fencingToken)
  const who = term === undefined ? 'The leader' : withPlace(term.name, term.place)
  const how = term?.reason === undefined ? 'over' : `over: ${term.reason}`
  const next =
    leader === undefined
      ? 'Nobody leads yet.'
      : `${withPlace(leader.name, leader.place)} leads with fencing token ${leader.token}.`
  return `The term of ${who} with fencing token ${fencingToken} is ${how}. ${next}`
}

function endFields({ terms, leader }: LeaseView, fencingToken: number): object {
  const { reason } = terms.find(({ token }) => token === fencingToken) ?? {}
  return { reason, leader: leader ?? null }
}
