import type { JobSettings } from './job-options.ts'

/**
 * How many slots of each job are taken: by runs in progress, also of an earlier term or of a job that
 * was replaced or removed meanwhile, and by ticks between two attempts.
 */
export class Slots {
  readonly #taken = new Map<string, number>()
  readonly #onFree: (jobId: string) => void

  /** @param onFree a slot of the job is free again */
  constructor(onFree: (jobId: string) => void) {
    this.#onFree = onFree
  }

  /** The jobs of which slots are taken. */
  get jobIds(): readonly string[] {
    return [...this.#taken.keys()]
  }

  takenOf(jobId: string): number {
    return this.#taken.get(jobId) ?? 0
  }

  isFree({ id, slots }: { readonly id: string } & Pick<JobSettings, 'slots'>): boolean {
    return this.takenOf(id) < slots
  }

  take(jobId: string): void {
    this.#taken.set(jobId, this.takenOf(jobId) + 1)
  }

  release(jobId: string): void {
    this.#taken.set(jobId, this.takenOf(jobId) - 1)
    this.#onFree(jobId)
    // The next tick may have taken it at once.
    if (this.takenOf(jobId) === 0) this.#taken.delete(jobId)
  }
}
