// What is used of the packages that only `npm run bench:schedule` installs: so that the compiler and
// the linter do without them.

declare module 'bullmq' {
  interface Options {
    readonly connection: object
    readonly concurrency?: number
  }

  interface Job {
    readonly id?: string
    readonly data: unknown
  }

  interface Template {
    readonly name: string
    readonly data: unknown
    readonly opts: object
  }

  export class Queue {
    constructor(name: string, options: Options)
    on(event: 'error', listener: (error: Error) => void): this
    upsertJobScheduler(id: string, repeat: object, template: Template): Promise<unknown>
  }

  export class Worker {
    constructor(name: string, process: (job: Job) => Promise<void>, options: Options)
    on(event: 'error', listener: (error: Error) => void): this
  }
}

declare module 'node-cron' {
  export interface ScheduledTask {
    stop(): unknown
  }

  export function schedule(
    expression: string,
    run: (context: { readonly date: Date }) => void,
    options: object,
  ): ScheduledTask
}

declare module 'toad-scheduler' {
  export class Task {
    constructor(id: string, run: () => void)
    readonly id: string
  }

  export class SimpleIntervalJob {
    constructor(interval: { readonly milliseconds: number }, task: Task, options: object)
    stop(): void
  }

  export class ToadScheduler {
    addSimpleIntervalJob(job: SimpleIntervalJob): void
  }
}
