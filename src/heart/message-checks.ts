import { isCorrelationId } from '../correlation.ts'
import { describeValue, errorCodes } from '../errors.ts'
import { logEvents } from '../events.ts'
import { invariant } from '../invariant.ts'
import type { EndReason } from '../store/lease-store.ts'
import { leaderVerbs } from '../store/ledger/verbs.ts'
import type { Command, Report } from './messages.ts'

type Check = (value: unknown) => boolean

/** What the fields of each kind of message have to be: the compiler misses a check that is missing. */
type Checks<Message extends { readonly kind: string }> = {
  readonly [Kind in Message['kind']]: {
    readonly [Field in Exclude<keyof Extract<Message, { kind: Kind }>, 'kind'>]: Check
  }
}

const isText: Check = (value) => typeof value === 'string'
const isFlag: Check = (value) => typeof value === 'boolean'
const isNumber: Check = Number.isFinite
const isSpan: Check = (value) => Number.isFinite(value) && (value as number) >= 0
const isToken: Check = (value) => Number.isSafeInteger(value) && (value as number) > 0
const isDescriptor: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

const reasons: Readonly<Record<EndReason, true>> = {
  resigned: true,
  stopped: true,
  stalled: true,
  'store-unreachable': true,
  expired: true,
  stolen: true,
  crashed: true,
}

function isOneOf(names: object): Check {
  return (value) => typeof value === 'string' && Object.hasOwn(names, value)
}

function isObjectOf(checks: Readonly<Record<string, Check>>): Check {
  return (value) =>
    isObject(value) && Object.entries(checks).every(([field, check]) => check(value[field]))
}

function orUndefined(check: Check): Check {
  return (value) => value === undefined || check(value)
}

const isReason = isOneOf(reasons)
const isLine = isObjectOf({ event: isOneOf(logEvents), timeMs: isNumber, fields: isObject })

const isError = isObjectOf({
  code: orUndefined(isOneOf(errorCodes)),
  error: isText,
  message: isText,
  stack: orUndefined(isText),
})
const isReplied = isObjectOf({ kind: isOneOf({ replied: true }), reply: isObject })
const isFailed = isObjectOf({ kind: isOneOf({ failed: true }), error: isError })
const isAbsent = isObjectOf({ kind: isOneOf({ absent: true }) })
const isAnswer: Check = (value) => isReplied(value) || isFailed(value) || isAbsent(value)

const commands: Checks<Command> = {
  reconfigure: { options: isObject },
  resign: { coolDownMs: isSpan },
  jobs: { hash: orUndefined(isText) },
  'soft-stop-seen': {},
  drained: { token: isToken, complete: isFlag },
  beat: { correlationId: isCorrelationId },
  stop: {},
  exit: { reason: isReason },
  witness: { fd: orUndefined(isDescriptor) },
  ledger: {
    id: isToken,
    call: isObjectOf({ verb: isOneOf(leaderVerbs), request: isObject }),
  },
  'lines-logged': {},
  environment: { variables: isObject },
}

const reports: Checks<Report> = {
  ready: { ttlMsMin: isSpan },
  acquired: { token: isToken, holder: isText },
  'token-known': { token: isToken },
  heartbeat: {
    outcome: isOneOf({ renewed: true, refused: true, timeout: true, error: true }),
    correlationId: isText,
    token: isToken,
    atMs: isNumber,
    latencyMs: isNumber,
  },
  store: {
    atMs: isNumber,
    fault: orUndefined(isObjectOf({ error: isText, message: isText })),
  },
  ending: { token: isToken, reason: isReason },
  ended: { token: isToken, reason: isReason, released: isFlag },
  'jobs-differ': { holder: isText, jobsHash: isText, leaderJobsHash: isText },
  lines: { lines: (value) => Array.isArray(value) && value.every(isLine) },
  ledger: { id: isToken, answer: isAnswer },
  'witness-let-go': {},
  stopped: { mayHold: isFlag },
  died: {
    error: isError,
  },
}

/** Throws if what the heart was told is no command; the heart ends then, and is started again. */
export function checkCommand(message: unknown): asserts message is Command {
  check(message, commands, 'a command')
}

/** Throws if what the main thread was told is no report. */
export function checkReport(message: unknown): asserts message is Report {
  check(message, reports, 'a report')
}

function check(
  message: unknown,
  checks: Readonly<Record<string, Readonly<Record<string, Check>>>>,
  what: string,
): void {
  const kind = isObject(message) ? message['kind'] : undefined
  const fields = isOneOf(checks)(kind) ? checks[kind as string] : undefined
  const fits = fields !== undefined && isObjectOf(fields)(message)
  const received = fields === undefined ? describeValue(message) : `a wrong "${String(kind)}"`
  invariant(fits, `what one thread tells the other is ${what}; got ${received}`)
}
