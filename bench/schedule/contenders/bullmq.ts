// Queue and worker in one process. The instant of a tick stands at the end of the id of its job.
import { Queue, Worker } from 'bullmq'

import type { Contender, CreateContender, JobKind, Note } from '../contender.ts'
import { idleCron } from '../idle-times.ts'

/** How many handlers may run at once, and how many registrations are under way together. */
const concurrency = 100

class BullMq implements Contender {
  readonly #queue: Queue
  readonly #worker: Worker

  constructor(note: Note, url: string) {
    const { hostname: host, port } = new URL(url)
    const connection = { host, port: Number(port), maxRetriesPerRequest: null }
    this.#queue = new Queue('bench', { connection })
    this.#worker = new Worker(
      'bench',
      async ({ id, data }) => note(Number(data), Number(id?.split(':').at(-1))),
      { connection, concurrency },
    )
    this.#queue.on('error', console.error)
    this.#worker.on('error', console.error)
  }

  async register(jobs: number, kind: JobKind): Promise<void> {
    const upsert = async (job: number): Promise<void> => {
      // What it repeats with `every` is due at once, so that only a pattern waits.
      const repeat = kind === 'second' ? { every: 1_000 } : { pattern: idleCron(job), tz: 'UTC' }
      const opts = { removeOnComplete: true }
      await this.#queue.upsertJobScheduler(`job-${job}`, repeat, { name: 'tick', data: job, opts })
    }
    for (let from = 0; from < jobs; from += concurrency) {
      const count = Math.min(concurrency, jobs - from)
      await Promise.all(Array.from({ length: count }, (_, i) => upsert(from + i)))
    }
  }
}

export const createContender: CreateContender = (note, { url }) => new BullMq(note, url)
