import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

import {
  leaseViewOf,
  nameOfHolder,
  type PageControl,
  type PageData,
  type PageInstance,
} from '../../src/dashboard/page.ts'
import { heartbeatJobId, type JobRecord, type Status } from '../../src/index.ts'
import { Cleaner } from './cleaner.ts'
import { Instance, restartMs } from './instance.ts'
import { Journal } from './journal.ts'
import { LeaseObserver, storeLockMs, type Place } from './lease-observer.ts'
import { leaseSettings, type Settings } from './settings.ts'
import { makeRequests } from './traffic.ts'
import { formatDurationWords } from './words.ts'

const labels = ['A', 'B', 'C']
const pollMs = 400

/** What came of a button. */
export interface ControlReply {
  readonly done: boolean
  readonly message: string
}

/** Three instances of the service, the lease that they share, and all that the page shows of it. */
export class Demo {
  readonly #settings: Settings
  readonly #say: (line: string) => void
  readonly #folder: string
  readonly #cleaner: Cleaner
  readonly #observer: LeaseObserver
  readonly #journal = new Journal()
  readonly #instances: readonly Instance[]
  readonly #end = new AbortController()

  constructor(settings: Settings, say: (line: string) => void) {
    this.#settings = settings
    this.#say = say
    this.#folder = mkdtempSync(join(realpathSync(tmpdir()), 'tenure-demo-'))
    this.#cleaner = new Cleaner(this.#folder)
    const place = placeOf(settings, this.#folder)
    this.#observer = new LeaseObserver(place, settings, (before, after) =>
      this.#leaseSeen(before, after),
    )
    this.#instances = labels.map((label) => this.#createInstance(label, place))
  }

  /** Where everything of this demonstration is. */
  get folder(): string {
    return this.#folder
  }

  // ---- start and end ----

  async start(): Promise<void> {
    await Promise.all(
      this.#instances.map(async (instance) => {
        try {
          await instance.start()
        } catch (error) {
          throw new Error(`${String(error)}; its log ends so:\n${instance.logTail()}`)
        }
        this.#say(`  ${instance.label} runs, process ${instance.pid}`)
      }),
    )
    const { signal } = this.#end
    await this.#observer.start()
    void this.#poll(signal)
    const addresses = (): string[] =>
      this.#instances
        .filter(({ state }) => state === 'answers')
        .map(({ address }) => address)
        .filter((address) => address !== undefined)
    void makeRequests(addresses, signal)
  }

  async end(): Promise<void> {
    this.#end.abort()
    await Promise.all(this.#instances.map((instance) => instance.end()))
    await this.#observer.end()
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 })
    await this.#cleaner.end()
  }

  #createInstance(label: string, place: Place): Instance {
    const { heartbeatIn, stallLimitMs, verbose } = this.#settings
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TENURE_'))
    const env = {
      ...Object.fromEntries(inherited),
      PORT: '0',
      HOST: '127.0.0.1',
      DATABASE: join(this.#folder, 'service.db'),
      SESSION_LIFETIME: '8s',
      PURGE_EVERY: '3s',
      ROLL_UP_EVERY: '5s',
      BACKUP_CRON: '*/15 * * * * *',
      BACKUP_TAKES: '4s',
      DEMO_MISCHIEF: 'true',
      TENURE_STORE: place.store,
      TENURE_LEASE: place.lease,
      TENURE_LABEL: label,
      TENURE_TTL: leaseSettings.ttl,
      TENURE_HEARTBEAT: leaseSettings.heartbeat,
      TENURE_ATTEMPT_TIMEOUT: leaseSettings.attemptTimeout,
      TENURE_STALL_LIMIT: `${stallLimitMs}ms`,
      TENURE_HEARTBEAT_IN: heartbeatIn,
    }
    return new Instance({
      label,
      folder: this.#folder,
      env,
      verbose,
      stallLimitMs: heartbeatIn === 'main' ? undefined : stallLimitMs,
      onStarted: (pid) => this.#cleaner.add(pid),
      onEnded: (pid, expected) => {
        this.#cleaner.remove(pid)
        if (!expected) this.#say(`${label} has ended; it restarts`)
      },
      onStatus: (status) => this.#journal.note(label, status),
    })
  }

  async #poll(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      // One that does not answer must not hold up the others.
      for (const instance of this.#instances) void instance.poll()
      await sleep(pollMs, undefined, { signal }).catch(() => {})
    }
  }

  #leaseSeen(before: Status | undefined, { lease, terms }: Status): void {
    if (lease === undefined) return
    const { token, renewals, ageMs = 0 } = lease
    if (before?.lease?.token !== token) {
      const last = terms.find((term) => term.token < token)
      const why = last === undefined ? '' : ` (${nameOfHolder(last)}: ${last.reason})`
      this.#say(`${nameOfHolder(lease)} leads, fencing token ${token}${why}`)
    }
    if (before?.lease?.token === token && before.lease.renewals !== renewals) {
      const holder = this.#instances.find(({ pid }) => this.#observer.isHeldBy(pid))
      if (holder !== undefined && holder.state !== 'answers') {
        this.#journal.see(holder.label, Date.now() - ageMs, { token, renewals })
      }
    }
  }

  // ---- the page ----

  pageData(): PageData {
    const status = this.#observer.status
    if (status === undefined) throw new Error('the lease was not read yet')
    const { heartbeatIn } = this.#settings
    return {
      application: 'fastify-service',
      notice:
        heartbeatIn === 'main'
          ? 'This is the losing control, --heartbeat-in main: the heartbeat runs on the event loop of each ' +
            'instance, as everybody else has it. Make the leader busy, and it loses the lease.'
          : undefined,
      settings: status.settings,
      lease: leaseViewOf({
        ...status,
        takenAtMs: Date.now(),
        lease: this.#observer.lease,
        terms: status.terms.slice(0, 40),
      }),
      storeNote: this.#observer.note,
      storeControls: [this.#storeControl()],
      instances: this.#instances.map((instance) => this.#viewOf(instance)),
      jobs: this.#jobs(),
      runs: this.#journal.runs,
      skips: this.#journal.skips,
      lines: this.#journal.lines.slice(0, 250),
    }
  }

  #viewOf(instance: Instance): PageInstance {
    const holdsLease = this.#observer.isHeldBy(instance.pid)
    return instance.view(holdsLease, this.#controlsOf(instance, holdsLease))
  }

  #controlsOf(instance: Instance, holdsLease: boolean): PageControl[] {
    const { busyMs, stallLimitMs, heartbeatIn } = this.#settings
    const { state, canBeTold } = instance
    const busy = formatDurationWords(busyMs)
    const limit = formatDurationWords(stallLimitMs)
    const frozen = state === 'frozen'
    const gaveUp = heartbeatIn === 'main' ? '' : ` After ${limit} its heartbeat gives it up.`
    return [
      {
        action: 'busy',
        text: `Busy for ${busy}`,
        hint: `Blocks its event loop for ${busy}.`,
        enabled: canBeTold,
      },
      {
        action: 'hang',
        text: 'Hang',
        hint: `Blocks its event loop for ever.${gaveUp}`,
        enabled: canBeTold,
      },
      {
        action: frozen ? 'thaw' : 'freeze',
        text: frozen ? 'Thaw' : 'Freeze',
        hint: frozen ? 'Lets it go on (SIGCONT).' : 'Stops the whole process (SIGSTOP).',
        enabled: frozen || canBeTold,
      },
      {
        action: 'kill',
        text: 'Kill',
        hint: 'Ends the process at once (SIGKILL); it is started again.',
        enabled: state !== 'down' && state !== 'starting',
      },
      {
        action: 'hand-over',
        text: 'Hand over',
        hint: 'Asks the leader, through the store, to resign.',
        enabled: holdsLease && (canBeTold || state === 'busy'),
      },
    ]
  }

  #storeControl(): PageControl {
    const time = formatDurationWords(storeLockMs)
    return {
      action: 'slow-store',
      text: `Slow store for ${time}`,
      hint: `Holds a lock that each heartbeat needs for ${time}.`,
      enabled: this.#observer.canLock,
    }
  }

  /** The jobs as the leader has them; what it last said, where it is blocked. */
  #jobs(): JobRecord[] {
    const told = this.#instances.filter(({ status }) => status !== undefined)
    const leader = told.find(({ pid }) => this.#observer.isHeldBy(pid)) ?? told[0]
    const { runs } = this.#journal
    return (leader?.status?.jobs ?? []).map((job) => {
      if (job.id === heartbeatJobId) return this.#heartbeatOf(job)
      const run = runs.find(({ jobId }) => jobId === job.id)
      const newer = run !== undefined && run.startedAtMs > (job.lastRun?.startedAtMs ?? 0)
      return newer ? { ...job, lastRun: run } : job
    })
  }

  /** The heartbeat as the store shows it, which does not need the leader's answer. */
  #heartbeatOf(job: JobRecord): JobRecord {
    const { lease } = this.#observer
    if (lease?.ageMs === undefined || job.lastRun === undefined) return job
    const startedAtMs = Date.now() - lease.ageMs
    const { heartbeatMs } = this.#observer.status?.settings ?? { heartbeatMs: 0 }
    return {
      ...job,
      lastRun: { ...job.lastRun, outcome: 'succeeded', startedAtMs },
      nextTickAtMs: startedAtMs + heartbeatMs,
    }
  }

  // ---- the buttons ----

  async control(action: unknown, label: unknown): Promise<ControlReply> {
    if (action === 'slow-store') return this.#slowStore()
    const instance = this.#instances.find((candidate) => candidate.label === label)
    if (instance === undefined) return { done: false, message: 'There is no such instance.' }
    const controls = this.#controlsOf(instance, this.#observer.isHeldBy(instance.pid))
    const control = controls.find((candidate) => candidate.action === action)
    if (control === undefined || !control.enabled) {
      return { done: false, message: `${instance.label}: not possible now (${instance.state}).` }
    }
    const message = await this.#do(control.action, instance)
    this.#say(message)
    return { done: true, message }
  }

  async #do(action: string, instance: Instance): Promise<string> {
    const { label } = instance
    const { busyMs, stallLimitMs, heartbeatIn } = this.#settings
    switch (action) {
      case 'busy':
        void this.#busy(instance)
        return `${label}: its event loop is blocked for ${formatDurationWords(busyMs)}.`
      case 'hang': {
        instance.hang()
        const end =
          heartbeatIn === 'main' ? '' : `; given up after ${formatDurationWords(stallLimitMs)}`
        return `${label}: its event loop is blocked for ever${end}.`
      }
      case 'freeze':
        instance.freeze()
        return `${label}: frozen, by SIGSTOP.`
      case 'thaw':
        void this.#thaw(instance)
        return `${label}: goes on, by SIGCONT.`
      case 'kill':
        instance.kill()
        return `${label}: killed, by SIGKILL; it restarts in ${formatDurationWords(restartMs)}.`
      default: {
        const outcome = await this.#observer.requestResign()
        if (outcome.kind === 'no-leader') return 'Nobody leads: there is nothing to hand over.'
        return `${label}: asked to resign the term with the fencing token ${outcome.fencingToken}.`
      }
    }
  }

  async #busy(instance: Instance): Promise<void> {
    const before = this.#tokenOf(instance)
    const startMs = performance.now()
    const isLeader = await instance.busy(this.#settings.busyMs)
    const time = formatDurationWords(performance.now() - startMs)
    const seen = `Its first look at isLeader said ${isLeader}.`
    instance.remark(
      before === undefined
        ? `Was blocked for ${time}, as a candidate.`
        : isLeader
          ? `Was blocked for ${time} and has kept the lease, token ${before}. ${seen}`
          : `Was blocked for ${time}; its term, token ${before}, is over. ${seen}`,
    )
  }

  async #thaw(instance: Instance): Promise<void> {
    const before = this.#tokenOf(instance)
    const { status, frozenMs } = await instance.thaw()
    const time = formatDurationWords(frozenMs)
    const now = status.role === 'ending' ? 'its term ends' : `it is a ${status.role}`
    const kept = before !== undefined && status.term?.fencingToken === before
    instance.remark(
      kept
        ? `Was frozen for ${time} and has kept the lease, token ${before}.`
        : `Was frozen for ${time}. It knows that it does not lead: ${now}.`,
    )
  }

  #tokenOf(instance: Instance): number | undefined {
    const held = this.#observer.isHeldBy(instance.pid)
    return held ? this.#observer.lease?.token : undefined
  }

  #slowStore(): ControlReply {
    if (!this.#observer.canLock) return { done: false, message: 'The store is slow already.' }
    this.#observer.lockStore().catch((error: unknown) => this.#say(`slow store: ${String(error)}`))
    const time = formatDurationWords(storeLockMs)
    const message = `Store: from the next heartbeat on, a lock that each one needs is held for ${time}.`
    this.#say(message)
    return { done: true, message }
  }
}

/**
 * Where the lease is: in a file of this demonstration's own, or on the server that somebody has
 * named, under a name that nobody else contends for.
 */
function placeOf({ store }: Settings, folder: string): Place {
  if (store !== undefined) return { store, lease: basename(folder) }
  return { store: `sqlite:${encodeURI(join(folder, 'tenure.db'))}`, lease: 'scheduler' }
}
