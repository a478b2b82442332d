import { sleep } from '../../src/clock.ts'
import { heartbeatJobId } from '../../src/instance/heartbeat-job.ts'
import type { Run } from '../../src/schedule/run.ts'
import type { Schedule } from '../../src/schedule/schedule.ts'
import type { Tenure } from '../../src/tenure.ts'
import type { ClaimedRun, History } from './history.ts'
import { scheduleOf, type LedgerHabits } from './ledger-habits.ts'
import type { Machine } from './machine.ts'
import type { Link } from './network.ts'
import { onPurpose, type SimProcess } from './process.ts'
import type { Random } from './random.ts'

/** How an application works. */
export interface Habits {
  /** How often its ordinary jobs run. */
  readonly everyMs: number
  /** How long work takes to stop after its signal, at most: less than the stop grace. */
  readonly stopMsMax: number
  /** The longest block of a job that blocks; 0: there is none. */
  readonly blockMsMax: number
  /** The longest run of a job that does not heed its signal; 0: there is none. */
  readonly stubbornMsMax: number
  /** How often the application looks whether it leads, on average. */
  readonly lookMs: number
}

/** Something that takes writes, and refuses those with a lower token than the highest it has seen. */
export class FencedResource {
  readonly #history: History
  #highest = 0

  constructor(history: History) {
    this.#history = history
  }

  write(who: string, token: number): void {
    const accepted = token >= this.#highest
    if (accepted) this.#highest = token
    this.#history.add(who, { kind: 'write', token, accepted, highest: this.#highest })
  }
}

/** What the application of one process is made of. */
export interface ApplicationParts {
  readonly tenure: Tenure
  readonly process: SimProcess
  readonly machine: Machine
  readonly link: Link
  readonly random: Random
  readonly history: History
  readonly resource: FencedResource
  readonly habits: Habits
  readonly ledger: readonly LedgerHabits[]
  /** From here on it behaves. */
  readonly calmFromMs: number
}

/** Jobs of every kind, what they write, and a glance at `isLeader` now and then. */
export class Application {
  readonly #parts: ApplicationParts
  /** The runs that go on, and the tokens they have. */
  readonly #working = new Map<string, number>()
  #runs = 0

  constructor(parts: ApplicationParts) {
    this.#parts = parts
  }

  /** The runs that go on with a token. */
  workingWith(token: number): string[] {
    return [...this.#working].filter(([, held]) => held === token).map(([run]) => run)
  }

  start(): void {
    const { tenure, habits } = this.#parts
    const { everyMs, blockMsMax, stubbornMsMax } = habits
    // Two that are due together: trust may run out between them.
    this.#schedule('one', { every: everyMs }, (run, name) => this.#obey(run, name))
    this.#schedule('two', { every: everyMs }, (run, name) => this.#obey(run, name))
    this.#schedule('long', { every: everyMs * 2 }, (run, name) => this.#obey(run, name, 40))
    if (blockMsMax > 0) this.#schedule('blocking', { every: everyMs * 3 }, () => this.#block())
    if (stubbornMsMax > 0) {
      this.#schedule('stubborn', { every: everyMs * 5 }, (run) => this.#ignore(run), false)
    }
    for (const job of this.#parts.ledger) this.#scheduleInLedger(job)
    void tenure.whileLeader(async (term) => {
      const run = { fencingToken: term.fencingToken, signal: term.signal }
      await this.#during('while', run, true, (name) => this.#obey(run, name, Infinity))
    })
    this.#look()
  }

  #schedule(
    job: string,
    schedule: Schedule,
    work: (run: Run, name: string) => Promise<void>,
    obeys = true,
  ): void {
    const handler = (run: Run): Promise<void> =>
      this.#during(job, run, obeys, (name) => work(run, name))
    void this.#parts.tenure.schedule(job, schedule, handler, { ledger: false })
  }

  #scheduleInLedger(job: LedgerHabits): void {
    const { history, tenure, random } = this.#parts
    const handler = async (run: Run): Promise<void> => {
      const { id, scheduledFor, attempt } = run
      const claim = { id: history.nameOf(id), tickMs: scheduledFor.getTime(), attempt }
      await this.#during(job.id, run, true, (name) => this.#obey(run, name), claim)
      if (random.chance(job.failing)) throw new Error(onPurpose)
    }
    void tenure.schedule(job.id, scheduleOf(job), handler, job.options)
  }

  async #during(
    job: string,
    { fencingToken: token }: Pick<Run, 'fencingToken'>,
    obeys: boolean,
    work: (name: string) => Promise<void>,
    claim?: ClaimedRun,
  ): Promise<void> {
    const { process, machine, history } = this.#parts
    const { who } = process
    const run = `${job} ${++this.#runs}`
    const about = { run, job, token, obeys, claim }
    const standing = this.#standing(token)
    history.add(who, { kind: 'run-started', ...about, standing, bootMs: machine.bootMs() })
    this.#working.set(run, token)
    await work(run)
    this.#working.delete(run)
    history.add(who, { kind: 'run-ended', ...about, bootMs: machine.bootMs() })
  }

  /** Works step by step, and comes to an end soon after it is told to. */
  async #obey(
    { fencingToken: token, signal }: Pick<Run, 'fencingToken' | 'signal'>,
    run: string,
    steps = this.#parts.random.whole(1, 8),
  ): Promise<void> {
    const { process, random, habits } = this.#parts
    const { clock } = process.main
    for (let step = 0; step < steps && !signal.aborted; step++) {
      this.#work(run, token, true)
      try {
        await sleep(clock, random.between(habits.everyMs / 20, habits.everyMs / 4), signal)
      } catch {
        // Told to stop: what is at hand is finished first.
      }
    }
    if (!signal.aborted) return
    await this.#sleep(random.next() * habits.stopMsMax)
    this.#work(run, token, true)
  }

  /** Goes on, whatever its signal says. */
  async #ignore({ fencingToken: token }: Run): Promise<void> {
    const { history, random, habits, calmFromMs } = this.#parts
    const leftMs = calmFromMs - history.nowMs
    const untilMs = history.nowMs + Math.min(leftMs, random.next() * habits.stubbornMsMax)
    while (history.nowMs < untilMs) {
      this.#work('stubborn', token, false)
      await this.#sleep(Math.min(untilMs - history.nowMs + 1, habits.everyMs))
    }
  }

  /** Computes for a long time in one go, and goes on without asking anybody. */
  async #block(): Promise<void> {
    const { process, random, history, habits, calmFromMs } = this.#parts
    const leftMs = calmFromMs - history.nowMs
    if (leftMs > 0) await process.main.block(Math.min(leftMs, random.next() * habits.blockMsMax))
  }

  #work(run: string, token: number, obeys: boolean): void {
    const { process, link, history, resource } = this.#parts
    const { who } = process
    history.add(who, { kind: 'work', run, token, obeys })
    // A statement that is under way reaches the resource whatever becomes of its sender.
    link.send(
      'requests',
      () => resource.write(who, token),
      () => {},
    )
  }

  #look(): void {
    const { tenure, process, random, habits } = this.#parts
    // Now and then somebody fires the heartbeat by hand.
    if (tenure.isLeader && random.chance(0.05)) tenure.runNow(heartbeatJobId).catch(() => {})
    for (const { id, byHand } of this.#parts.ledger) {
      if (tenure.isLeader && random.chance(byHand)) tenure.runNow(id).catch(() => {})
    }
    process.main.clock.setTimer(random.next() * 2 * habits.lookMs, () => this.#look())
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#parts.process.main.clock.setTimer(ms, resolve))
  }

  #standing(token: number): 'none' | 'trusted' | 'leader' {
    const now = this.#parts.process.standing()
    return now.token === token ? now.standing : 'none'
  }
}
