// Its simple interval job is a `setInterval`, and tells no scheduled instant: that is counted.
import { SimpleIntervalJob, Task, ToadScheduler } from 'toad-scheduler'

import type { Contender, CreateContender, JobKind, Note } from '../contender.ts'
import { idleEveryMs } from '../idle-times.ts'

class Toad implements Contender {
  readonly #note: Note
  readonly #scheduler = new ToadScheduler()

  constructor(note: Note) {
    this.#note = note
  }

  async register(jobs: number, kind: JobKind): Promise<void> {
    for (let job = 0; job < jobs; job++) {
      const id = `job-${job}`
      const milliseconds = kind === 'second' ? 1_000 : idleEveryMs(job)
      let scheduledMs = Date.now()
      const task = new Task(id, () => {
        scheduledMs += milliseconds
        this.#note(job, scheduledMs)
      })
      this.#scheduler.addSimpleIntervalJob(new SimpleIntervalJob({ milliseconds }, task, { id }))
    }
  }
}

export const createContender: CreateContender = (note) => new Toad(note)
