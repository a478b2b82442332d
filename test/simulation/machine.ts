import type { InstantSource, Timer } from '../../src/clock.ts'
import { suspendSlackMs } from '../../src/lease/term.ts'
import { DueQueue, type Due } from '../../src/schedule/due-queue.ts'
import type { World } from './world.ts'

/** No term is trusted for so long without a renewal. */
const forgottenMs = 100_000

interface Alarm extends Due {
  readonly ring: () => void
}

/** How the clocks of a machine begin. */
export interface MachineParts {
  readonly world: World
  /** How much faster than true time its clocks run: 0.005 is half a percent. */
  readonly drift: number
  /** What the machine takes for the time of day. */
  readonly wallMs: number
  /** To what its uptime is rounded down: 10 ms, or 1 s. */
  readonly uptimeGrainMs: number
}

/**
 * The clocks of one machine. All of them run at one rate, which is not quite that of true time; the
 * wall clock may be set, and while the machine is suspended the monotonic clock stands still.
 */
export class Machine implements InstantSource {
  readonly #world: World
  readonly #uptimeGrainMs: number
  readonly #alarms = new DueQueue<Alarm>()
  #next: Timer | undefined
  #rate: number
  #wallOffsetMs: number
  #suspended = false
  /** How the wall clock stood to the monotonic one, and for how long it was suspended, till now. */
  #pasts: { sinceMs: number; apartMs: number; suspendedMs: number }[] = []
  /** Readings of the clocks at an instant of true time, from which they are counted. */
  #base = { trueMs: 0, monotonicMs: 0, bootMs: 0 }

  constructor({ world, drift, wallMs, uptimeGrainMs }: MachineParts) {
    this.#world = world
    this.#rate = 1 + drift
    this.#uptimeGrainMs = uptimeGrainMs
    this.#base = { trueMs: world.nowMs, monotonicMs: 50_000, bootMs: 50_000 }
    this.#wallOffsetMs = wallMs - this.#base.bootMs
    this.#noteSteps()
  }

  monotonicMs(): number {
    const { trueMs, monotonicMs } = this.#base
    return this.#suspended ? monotonicMs : monotonicMs + (this.#world.nowMs - trueMs) * this.#rate
  }

  /** Time since the machine was started, suspended time included, exactly. */
  bootMs(): number {
    const { trueMs, bootMs } = this.#base
    return bootMs + (this.#world.nowMs - trueMs) * this.#rate
  }

  wallMs(): number {
    return Math.floor(this.bootMs() + this.#wallOffsetMs)
  }

  uptimeMs(): number {
    return Math.floor(this.bootMs() / this.#uptimeGrainMs) * this.#uptimeGrainMs
  }

  get suspended(): boolean {
    return this.#suspended
  }

  /** From here on the clocks run at another rate. */
  set drift(drift: number) {
    this.#rebase()
    this.#rate = 1 + drift
    this.#arm()
  }

  /** Somebody sets the wall clock. */
  stepWall(byMs: number): void {
    this.#wallOffsetMs += byMs
    this.#noteSteps()
  }

  /** All clocks jump, as those of a server do onto which a store is moved. */
  jump(byMs: number): void {
    this.#rebase()
    this.#base.monotonicMs += byMs
    this.#base.bootMs += byMs
    this.#arm()
  }

  suspend(): void {
    this.#rebase()
    this.#suspended = true
    this.#arm()
  }

  resume(): void {
    this.#rebase()
    this.#suspended = false
    this.#noteSteps()
    this.#arm()
  }

  /** Rings once the monotonic clock has gone on by so much. */
  setAlarm(delayMs: number, ring: () => void): Timer {
    const alarm = { dueMs: this.monotonicMs() + delayMs, ring, place: undefined }
    this.#alarms.add(alarm)
    if (this.#alarms.first === alarm) this.#arm()
    return { cancel: () => this.#alarms.remove(alarm) }
  }

  /**
   * A wall clock that is set back by just as much as the machine was suspended hides that: the
   * documentation says so. And one that is set by just so much that it is hardly noticed is noticed
   * in one look and not in the next. Here it is then set to something else.
   */
  #noteSteps(): void {
    const { nowMs } = this.#world
    // Each was so until the next one began, and the last until now, however long ago they began.
    this.#pasts = this.#pasts.filter((_past, index, pasts) => {
      const untilMs = pasts[index + 1]?.sinceMs ?? nowMs
      return untilMs > nowMs - forgottenMs
    })
    const now = (): { apartMs: number; suspendedMs: number } => ({
      apartMs: this.#wallOffsetMs + this.bootMs() - this.monotonicMs(),
      suspendedMs: this.bootMs() - this.monotonicMs(),
    })
    const hides = (past: { apartMs: number; suspendedMs: number }): boolean => {
      const apartMs = Math.abs(now().apartMs - past.apartMs)
      const suspendedMs = now().suspendedMs - past.suspendedMs
      const isHidden = suspendedMs > suspendSlackMs && apartMs <= 2 * suspendSlackMs
      return isHidden || Math.abs(apartMs - suspendSlackMs) < 5
    }
    while (this.#pasts.some(hides)) this.#wallOffsetMs += 3 * suspendSlackMs
    this.#pasts.push({ sinceMs: nowMs, ...now() })
  }

  #rebase(): void {
    const { nowMs } = this.#world
    this.#base = { trueMs: nowMs, monotonicMs: this.monotonicMs(), bootMs: this.bootMs() }
  }

  #arm(): void {
    this.#next?.cancel()
    const { first } = this.#alarms
    if (first === undefined || this.#suspended) return
    const untilMs = Math.max(0, (first.dueMs - this.monotonicMs()) / this.#rate)
    this.#next = this.#world.after(untilMs, () => {
      // Rounding may have put this a hair too early, or the alarm may have been cancelled.
      const alarm = this.#alarms.first
      const due = alarm !== undefined && alarm.dueMs <= this.monotonicMs() + 1e-6
      if (due) this.#alarms.remove(alarm)
      this.#arm()
      if (due) alarm.ring()
    })
  }
}
