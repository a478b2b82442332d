import { logEvents, type LogEventName } from '../../src/index.ts'

/** What is wrong with a line that was logged, held against the table of log events. */
export function faultOfLine(
  event: string,
  level: string,
  fields: Readonly<Record<string, unknown>>,
): string | undefined {
  // Lines of the jobs' own go through the same logger.
  if (!(event in logEvents)) return undefined
  const expected = logEvents[event as LogEventName]
  if (level !== expected.level) return `${event} has the level ${level}, not ${expected.level}`
  const missing = ['lease', ...expected.fields].filter((field) => fields[field] === undefined)
  // Where no common clock tells, the remaining time of another's lease is not known.
  const unknown = event === 'lease_held' ? ['remainingMs'] : []
  const wrong = missing.filter((field) => !unknown.includes(field))
  return wrong.length === 0 ? undefined : `${event} lacks ${wrong.join(', ')}`
}
