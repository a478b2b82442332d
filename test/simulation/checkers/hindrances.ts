import { ofKind, type Fact } from '../history.ts'
import type { Recording } from '../simulation.ts'

interface Span {
  readonly why: string
  readonly fromMs: number
  readonly toMs: number
}

/** When which thread did not run: so much is the fault of nobody's code. */
export class Hindrances {
  readonly #recording: Recording
  readonly #spans = new Map<string, Span[]>()

  constructor(recording: Recording) {
    this.#recording = recording
    for (const { who, thread, why, atMs, toMs } of ofKind(recording.facts, 'hindered')) {
      const key = `${who} ${thread}`
      const spans = this.#spans.get(key) ?? []
      spans.push({ why, fromMs: atMs, toMs })
      this.#spans.set(key, spans)
    }
  }

  /** Where the heart of a process runs. */
  threadOf(who: string, heart: string): string {
    const { instances } = this.#recording.scenario
    return instances[who.charCodeAt(0) - 97]?.heartbeatIn === 'main' ? 'main' : heart
  }

  spans(who: string, thread: string): readonly Span[] {
    return this.#spans.get(`${who} ${thread}`) ?? []
  }

  /** For how long a thread did not run between two instants. */
  ms(who: string, thread: string, fromMs: number, toMs: number): number {
    let total = 0
    let countedToMs = fromMs
    for (const span of this.spans(who, thread)) {
      const startMs = Math.max(span.fromMs, countedToMs)
      const endMs = Math.min(span.toMs, toMs)
      if (endMs <= startMs) continue
      total += endMs - startMs
      countedToMs = endMs
    }
    return total
  }

  /** The times in which the main thread did not run; two that are less apart than `gapMs` are one. */
  blocks(who: string, gapMs: number): { fromMs: number; toMs: number }[] {
    const blocks: { fromMs: number; toMs: number }[] = []
    for (const { fromMs, toMs } of this.spans(who, 'main')) {
      const last = blocks.at(-1)
      if (last !== undefined && fromMs - last.toMs <= gapMs) last.toMs = Math.max(last.toMs, toMs)
      else blocks.push({ fromMs, toMs })
    }
    return blocks
  }

  /** For how often a thread did not run between two instants. */
  times(who: string, thread: string, fromMs: number, toMs: number): number {
    const spans = this.spans(who, thread)
    return spans.filter((span) => span.fromMs < toMs && span.toMs > fromMs).length
  }

  /** For how long, at an instant, the main thread has been blocked while the heart ran. */
  blockedMs(who: string, heart: string, atMs: number, gapMs: number): number {
    const block = this.blocks(who, gapMs).find(
      ({ fromMs, toMs }) => fromMs <= atMs && atMs <= toMs + gapMs,
    )
    if (block === undefined) return 0
    return atMs - block.fromMs - this.ms(who, this.threadOf(who, heart), block.fromMs, atMs)
  }
}

/** The time of each process's end, if it ended. */
export function endsOf(facts: readonly Fact[]): Map<string, number> {
  const gone = ofKind(facts, 'process').filter(({ what }) => what === 'is gone')
  return new Map(gone.map(({ who, atMs }) => [who, atMs]))
}
