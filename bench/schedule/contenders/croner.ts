// It tells no scheduled instant: that is the last full second, so that a tick which is late by more
// than a second counts as missed.
import { Cron } from 'croner'

import type { Contender, CreateContender, JobKind, Note } from '../contender.ts'
import { idleCron } from '../idle-times.ts'

class Croner implements Contender {
  readonly #note: Note
  readonly #jobs: Cron[] = []

  constructor(note: Note) {
    this.#note = note
  }

  async register(jobs: number, kind: JobKind): Promise<void> {
    for (let job = 0; job < jobs; job++) {
      const pattern = kind === 'second' ? '* * * * * *' : idleCron(job)
      const run = (): void => this.#note(job, Math.floor(Date.now() / 1_000) * 1_000)
      this.#jobs.push(new Cron(pattern, { timezone: 'UTC' }, run))
    }
  }
}

export const createContender: CreateContender = (note) => new Croner(note)
