// One timer of Node.js for each job. It tells no scheduled instant: that is counted from the start.
import type { Contender, CreateContender, JobKind, Note } from '../contender.ts'
import { idleEveryMs } from '../idle-times.ts'

class SetInterval implements Contender {
  readonly #note: Note

  constructor(note: Note) {
    this.#note = note
  }

  async register(jobs: number, kind: JobKind): Promise<void> {
    for (let job = 0; job < jobs; job++) {
      const everyMs = kind === 'second' ? 1_000 : idleEveryMs(job)
      let scheduledMs = Date.now()
      setInterval(() => {
        scheduledMs += everyMs
        this.#note(job, scheduledMs)
      }, everyMs)
    }
  }
}

export const createContender: CreateContender = (note) => new SetInterval(note)
