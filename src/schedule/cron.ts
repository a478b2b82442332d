import { Cron } from 'croner'

import { describeValue, messageOf, TenureError } from '../errors.ts'

/** The instants of a cron expression in its time zone. */
export interface CronTimes {
  /** The first instant after `afterMs`, both in milliseconds since 1970; `undefined`: never. */
  nextMs(afterMs: number): number | undefined
}

/**
 * Reads a cron expression of five fields (from minutes) or six (from seconds), or a nickname such
 * as `@daily`. This file is the only door to the parser, and uses it for nothing but parsing.
 *
 * @throws TenureError `TENURE_ERR_SCHEDULE`
 */
export function parseCron(expression: unknown, timeZone: unknown): CronTimes {
  if (typeof expression !== 'string' || !isFieldsOrNickname(expression)) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      "Expected `cron` to have five fields (from minutes) or six (from seconds), such as '0 3 * * *'" +
        `; got ${describeValue(expression)}.`,
    )
  }
  checkTimeZone(timeZone)
  let cron: Cron
  try {
    cron = new Cron(expression, { paused: true, timezone: timeZone, mode: '5-or-6-parts' })
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      `Expected \`cron\` to be a cron expression; got ${describeValue(expression)}: ` +
        `${messageOf(cause)}.`,
      { cause },
    )
  }
  return { nextMs: (afterMs) => cron.nextRun(new Date(afterMs))?.getTime() }
}

/** The parser also takes single dates and a field of years, which are not promised here. */
function isFieldsOrNickname(expression: string): boolean {
  const fields = expression.trim().split(/\s+/)
  return fields.length === 5 || fields.length === 6 || /^@[a-z]+$/i.test(expression)
}

function checkTimeZone(timeZone: unknown): asserts timeZone is string {
  try {
    if (typeof timeZone !== 'string') throw new RangeError('not a text')
    Intl.DateTimeFormat('en', { timeZone })
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_SCHEDULE',
      "Expected `timeZone` to be a time zone of the IANA database, such as 'Europe/Berlin'; got " +
        `${describeValue(timeZone)}.`,
      { cause },
    )
  }
}
