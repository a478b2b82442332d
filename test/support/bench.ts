import { nextTurn } from '../../src/clock.ts'
import type { LogEventName } from '../../src/events.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** A line of the log. */
export interface Line {
  readonly event: LogEventName
  readonly fields: Record<string, unknown>
}

/** Lets everything happen that waits for no time to pass, as far as it goes in some turns. */
export async function settle(turns = 1): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await nextTurn()
}

/** What all benches have in common: time that passes by hand, and what was logged meanwhile. */
export class Bench {
  readonly clock: FakeClock
  readonly lines: Line[] = []

  constructor(clock: FakeClock = new FakeClock()) {
    this.clock = clock
  }

  readonly log = (event: LogEventName, fields: object): void =>
    void this.lines.push({ event, fields: { ...fields } })

  /** What was logged of an event. */
  logged(event: LogEventName): Record<string, unknown>[] {
    return this.lines.filter((line) => line.event === event).map(({ fields }) => fields)
  }

  /** Lets time pass in equal steps of at most so long, with what follows from each. */
  async pass(ms: number, stepMs = ms, turns = 1): Promise<void> {
    const steps = Math.max(1, Math.ceil(ms / stepMs))
    for (let step = 0; step < steps; step++) {
      this.clock.advance(ms / steps)
      await settle(turns)
    }
  }
}
