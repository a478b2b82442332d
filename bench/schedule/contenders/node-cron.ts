import { schedule, type ScheduledTask } from 'node-cron'

import type { Contender, CreateContender, JobKind, Note } from '../contender.ts'
import { idleCron } from '../idle-times.ts'

class NodeCron implements Contender {
  readonly #note: Note
  readonly #jobs: ScheduledTask[] = []

  constructor(note: Note) {
    this.#note = note
  }

  async register(jobs: number, kind: JobKind): Promise<void> {
    for (let job = 0; job < jobs; job++) {
      const expression = kind === 'second' ? '* * * * * *' : idleCron(job)
      const run = ({ date }: { readonly date: Date }): void => this.#note(job, date.getTime())
      // A line for each tick that it misses would be measured with the others.
      const options = { timezone: 'UTC', suppressMissedWarning: true }
      this.#jobs.push(schedule(expression, run, options))
    }
  }
}

export const createContender: CreateContender = (note) => new NodeCron(note)
