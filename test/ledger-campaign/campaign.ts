import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import { parseStoreUrl } from '../../src/store/store-url.ts'
import { openLedger } from '../../src/store/open-ledger.ts'
import { Random } from '../chaos/random.ts'
import type { Change } from '../mutants/mutant.ts'
import { threeSeconds } from '../support/cluster.ts'
import type { TestStore } from '../support/test-store.ts'
import { nowMs, until } from '../support/until.ts'
import { figuresOf, violationsOf, type Figures, type Start, type Violation } from './checks.ts'
import { Collector } from './collector.ts'
import { Contender } from './contender.ts'
import { drawJobs, tickAfter, type CampaignJob, type DrawOptions } from './jobs.ts'
import { drawLosses, lose, type LossKind } from './losses.ts'

/** How a campaign is made. */
export interface CampaignOptions extends DrawOptions {
  readonly store: Pick<TestStore, 'url' | 'folder'>
  readonly losses: number
  /** @default all kinds */
  readonly only?: readonly LossKind[]
  readonly instances: number
  /** The shortest and the longest time from one loss to the next, when all contend again. */
  readonly pauseMs: readonly [least: number, most: number]
  /** What is changed in the code that the instances run. @default nothing */
  readonly changes?: readonly Change[]
  /** No more losses; what happened until then is checked all the same. */
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: string) => void
}

/** What a campaign has found. */
export interface CampaignReport {
  readonly figures: Figures
  /** Terms that an instance has led. */
  readonly terms: number
  readonly losses: Readonly<Partial<Record<LossKind, number>>>
  readonly violations: readonly Violation[]
  readonly durationMs: number
}

/** A leader that is blocked for so long loses its term, which is over a ttl later. */
const times = { ...threeSeconds, stallLimit: 3_000 } as const
const progressEveryMs = 1_000
/** The longest interval, the longest run with its retries, and what a busy machine takes longer. */
const settleMsMax = 300_000

/** Has instances lose their leader again and again, and holds their ledger against its rules. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const campaign = await Campaign.create(options)
  try {
    return await campaign.run()
  } finally {
    await campaign.end()
  }
}

class Campaign {
  readonly #options: CampaignOptions
  readonly #jobs: readonly CampaignJob[]
  readonly #folder: string
  readonly #contenders: readonly Contender[]
  readonly #collector: Collector
  readonly #losses: Partial<Record<LossKind, number>> = {}
  readonly #startedMs = nowMs()
  #doing = 'begins'

  private constructor(options: CampaignOptions, jobs: readonly CampaignJob[], from: Collector) {
    const { store, seed, jobs: count, everyMsMax, instances, changes } = options
    this.#options = options
    this.#jobs = jobs
    this.#collector = from
    this.#folder = join(store.folder, 'campaign')
    mkdirSync(this.#folder)
    const parts = {
      folder: this.#folder,
      draw: { seed, jobs: count, everyMsMax },
      options: { ...times, store: store.url },
      changes,
    }
    this.#contenders = Array.from({ length: instances }, (_, index) => new Contender(index, parts))
  }

  static async create(options: CampaignOptions): Promise<Campaign> {
    const jobs = drawJobs(options)
    const ledger = await openLedger(parseStoreUrl(options.store.url))
    if (ledger === undefined) throw new Error('the store has a ledger')
    return new Campaign(options, jobs, new Collector(ledger, jobs))
  }

  /** The one that was granted the newest term, and that lives. */
  get #leader(): Contender | undefined {
    const newest = Math.max(0, ...this.#tokens)
    return this.#contenders.find(({ lives, token }) => lives && token > 0 && token === newest)
  }

  get #tokens(): Set<number> {
    return new Set(this.#contenders.flatMap(({ tokens }) => tokens))
  }

  async run(): Promise<CampaignReport> {
    const progress = setInterval(() => this.#tell(), progressEveryMs)
    try {
      await this.#start()
      await this.#loseLeaders()
      this.#doing = 'waits until all is settled'
      await this.#settle()
      this.#doing = 'stops'
      await this.#stop()
      this.#doing = 'reads and checks'
      await this.#collector.finish()
      return await this.#report()
    } finally {
      clearInterval(progress)
    }
  }

  /** Ends all processes, in whatever state they are. The store is left. */
  async end(): Promise<void> {
    await Promise.all(this.#contenders.map((contender) => contender.end()))
    await this.#collector.close()
  }

  async #start(): Promise<void> {
    for (const contender of this.#contenders) contender.start()
    await this.#allContend()
    await until('all jobs are entered', async () => {
      const entries = await this.#collector.readEntries()
      return entries.size === this.#jobs.length
    })
    this.#collector.begin()
  }

  /** All live, have been started, and one of them leads. */
  async #allContend(): Promise<Contender> {
    for (const contender of this.#contenders) if (!contender.lives) contender.start()
    await Promise.all(this.#contenders.map((contender) => contender.says('started')))
    return until('one leads', () => this.#leader, 120_000)
  }

  async #loseLeaders(): Promise<void> {
    const { seed, losses, only, pauseMs, signal } = this.#options
    // Of its own, so that other jobs have no other losses.
    const random = new Random(seed + 1)
    for (const [index, kind] of drawLosses(losses, random, only).entries()) {
      this.#doing = `loss ${index + 1} of ${losses}, ${kind}`
      const pause = random.between(...pauseMs)
      await this.#allContend()
      await sleep(pause, undefined, signal ? { signal } : {}).catch(() => {})
      if (signal?.aborted === true) return
      const leader = await until('one leads', () => this.#leader, 120_000)
      const token = leader.token
      const isReplaced = (): boolean => (this.#leader?.token ?? 0) > token
      const replaced = (withinMs: number): Promise<boolean> =>
        until('another leads', isReplaced, withinMs).catch(() => false)
      await lose(kind, { leader, random, folder: this.#folder, replaced })
      if (!isReplaced()) throw new Error(`nobody leads after a leader was ${kind}`)
      this.#losses[kind] = (this.#losses[kind] ?? 0) + 1
    }
  }

  /** Waits until every tick is accounted for that was due before the last leader led. */
  async #settle(): Promise<void> {
    await this.#allContend()
    const settledAtMs = Date.now()
    const byId = new Map(this.#jobs.map((job) => [job.id, job]))
    let late: string[] = []
    const isSettled = async (): Promise<boolean> => {
      const entries = await this.#collector.readEntries()
      late = Array.from(entries.values()).flatMap((entry) => {
        const job = byId.get(entry.jobId)
        const isLate = job && tickAfter(job, entry, entry.cursorMs) <= settledAtMs
        return isLate === true ? [entry.jobId] : []
      })
      if (late.length > 0) await sleep(500)
      return late.length === 0
    }
    await until('the ticks before the last term', isSettled, settleMsMax).catch(
      (error: unknown) => {
        for (const jobId of late) {
          const what = 'a tick from before the last term is still not accounted for'
          this.#collector.violations.push({ jobId, what })
        }
        if (late.length === 0) throw error
      },
    )
  }

  /** The candidates first, so that no term comes after the last one. */
  async #stop(): Promise<void> {
    const leader = await this.#allContend()
    const others = this.#contenders.filter((contender) => contender !== leader)
    await Promise.all(others.map((contender) => contender.stop()))
    await leader.stop()
  }

  async #report(): Promise<CampaignReport> {
    const { runs, skips, violations } = this.#collector
    const entries = await this.#collector.readEntries()
    const lastToken = Math.max(...this.#tokens)
    const history = { jobs: this.#jobs, entries, runs, skips, starts: this.#starts(), lastToken }
    return {
      figures: figuresOf(history),
      terms: this.#tokens.size,
      losses: this.#losses,
      violations: [...violations, ...violationsOf(history)],
      durationMs: nowMs() - this.#startedMs,
    }
  }

  #starts(): Start[] {
    const files = readdirSync(this.#folder).filter((name) => name.endsWith('.starts'))
    return files.flatMap((name) => {
      const text = readFileSync(join(this.#folder, name), 'utf8')
      return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Start]))
    })
  }

  #tell(): void {
    const seconds = Math.round((nowMs() - this.#startedMs) / 1_000)
    const leader = this.#leader
    const who =
      leader === undefined ? 'nobody leads' : `${leader.who} leads in term ${leader.token}`
    const { runCount } = this.#collector
    this.#options.onProgress?.(`${seconds} s: ${this.#doing}; ${who}, ${runCount} runs read`)
  }
}
