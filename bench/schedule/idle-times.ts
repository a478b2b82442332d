/** How far away the first jobs are that must not be due while it is measured. */
const hoursAway = 2
/** The jobs are spread over so many hours, a minute apart. */
const hours = 20

/** A cron expression of five fields, due once a day; UTC. */
export function idleCron(job: number): string {
  const hour = new Date().getUTCHours() + hoursAway + (Math.floor(job / 60) % hours)
  return `${job % 60} ${hour % 24} * * *`
}

/** An interval of 12 hours or more. */
export function idleEveryMs(job: number): number {
  return (12 * 60 + (job % (hours * 60))) * 60_000
}
