import type { createTenure, Schedule } from '../../../src/index.ts'
import type { Contender, ContenderConfig, CreateContender, JobKind, Note } from '../contender.ts'
import { idleCron, idleEveryMs } from '../idle-times.ts'

class TenureContender implements Contender {
  readonly #note: Note
  readonly #config: ContenderConfig

  constructor(note: Note, config: ContenderConfig) {
    this.#note = note
    this.#config = config
  }

  async register(jobs: number, kind: JobKind): Promise<void> {
    const { url, ledger, tenure: module } = this.#config
    const { createTenure: create } = (await import(module)) as { createTenure: typeof createTenure }
    const tenure = create({ store: url })
    for (let job = 0; job < jobs; job++) {
      const run = ({ scheduledFor }: { readonly scheduledFor: Date }): void =>
        this.#note(job, scheduledFor.getTime())
      await tenure.schedule(`job-${job}`, this.#scheduleOf(job, kind), run, { ledger })
    }
    // The first run of the job that was scheduled last says that all others were entered before.
    const entered = new Promise<void>((resolve) => {
      void tenure.schedule('last', { every: 10 }, () => resolve(), { ledger })
    })
    await tenure.start()
    await entered
    await tenure.unschedule('last')
  }

  #scheduleOf(job: number, kind: JobKind): Schedule {
    if (kind === 'second') return { every: 1_000 }
    return this.#config.intervals
      ? { every: idleEveryMs(job) }
      : { cron: idleCron(job), timeZone: 'UTC' }
  }
}

export const createContender: CreateContender = (note, config) => new TenureContender(note, config)
