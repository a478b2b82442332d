import { createHash } from 'node:crypto'

/** How many bytes of a hash are kept: enough to tell any two sets of jobs apart. */
const hashBytes = 8

/**
 * A hash over the ids and schedules of the jobs of an application, by which two instances see
 * whether they have the same: whatever the order in which they were scheduled. A change costs the
 * hash of one job, however many there are.
 */
export class JobsHash {
  #jobs = 0
  /** The hashes of all jobs, each of which has an id of its own, laid over each other. */
  readonly #sum = Buffer.alloc(hashBytes)

  /** In hexadecimal digits; `undefined` while there are no jobs. */
  get value(): string | undefined {
    return this.#jobs === 0 ? undefined : this.#sum.toString('hex')
  }

  /** A job has another schedule than before; `undefined`: it was, or is, not there. */
  changed(id: string, before: string | undefined, now: string | undefined): void {
    if (before !== undefined) this.#toggle(id, before, -1)
    if (now !== undefined) this.#toggle(id, now, 1)
  }

  #toggle(id: string, schedule: string, jobs: 1 | -1): void {
    const hash = createHash('sha256')
      .update(JSON.stringify([id, schedule]))
      .digest()
    for (let i = 0; i < hashBytes; i++) this.#sum[i] = (this.#sum[i] ?? 0) ^ (hash[i] ?? 0)
    this.#jobs += jobs
  }
}
