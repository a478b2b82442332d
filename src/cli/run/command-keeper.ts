import type { Clock } from '../../clock.ts'
import type { EndReason, Tenure, Term } from '../../index.ts'
import type { Voice } from '../voice.ts'
import { spanOf } from '../words.ts'
import { CommandGroup, exitCodeOfSignal, StartError } from './command-group.ts'
import { GroupGuard } from './group-guard.ts'
import { Supervision } from './supervision.ts'

/** The command is started again after this time, doubled for each failure up to the second one. */
const restartMs = { first: 1_000, longest: 60_000 }

/** What a keeper is made of. */
export interface CommandKeeperDeps {
  readonly tenure: Tenure
  readonly command: readonly string[]
  /** Contends again after the command has ended, for whatever reason. */
  readonly restart: boolean
  readonly voice: Voice
  readonly clock: Clock
}

/** What came of a command in one term. */
type Outcome =
  | { readonly kind: 'ended'; readonly exitCode: number; readonly forMs: number }
  /** Stopped because its term ended. */
  | { readonly kind: 'cut' }
  | { readonly kind: 'not-started'; readonly exitCode: number }

/** Runs a command while this instance leads, and not otherwise. */
export class CommandKeeper {
  readonly #deps: CommandKeeperDeps
  readonly #finished = Promise.withResolvers<number>()
  #finishing = false
  /** The signal that somebody has sent to this process, to end it. */
  #endedBy: NodeJS.Signals | undefined
  #group: CommandGroup | undefined
  #supervision: Supervision | undefined
  /** What is done in the terms so far, one after the other. */
  #terms: Promise<void> = Promise.resolve()
  #failures = 0

  constructor(deps: CommandKeeperDeps) {
    this.#deps = deps
  }

  /** Contends, and resolves with the exit code when all is done and nothing is held any more. */
  async run(): Promise<number> {
    const { tenure } = this.#deps
    // If this process fails, nothing of the command may go on after the release that follows.
    const onExit = (): void => this.#group?.signal('SIGKILL')
    process.on('exit', onExit)
    void tenure.whileLeader((term) => {
      const reason = this.#reasonOf(term)
      // After a term that was lost the next one may begin before the last command is quite dead.
      this.#terms = this.#terms.then(() => this.#inTerm(term, reason))
      return this.#terms.catch(this.#finished.reject)
    })
    try {
      await tenure.start()
      return await this.#finished.promise
    } finally {
      await tenure.stop()
      process.off('exit', onExit)
    }
  }

  /** A signal that is meant to end this process: the command is given it, and time to end. */
  end(signal: NodeJS.Signals): void {
    this.#endedBy ??= signal
    if (this.#supervision === undefined) return void this.#finish(exitCodeOfSignal(signal))
    this.#supervision.stop(signal)
    // From here on the term is on its way to its end, and is renewed until the command has ended.
    void this.#deps.tenure.stop()
  }

  /** A signal for the command alone. */
  handOn(signal: NodeJS.Signals): void {
    this.#group?.signalCommand(signal)
  }

  /** Resolves with why a term has ended. */
  #reasonOf({ fencingToken }: Term): Promise<EndReason> {
    return new Promise((resolve) => {
      const remove = this.#deps.tenure.on('term:lost', ({ term, reason }) => {
        if (term.fencingToken !== fencingToken) return
        remove()
        resolve(reason)
      })
    })
  }

  async #inTerm(term: Term, endReason: Promise<EndReason>): Promise<void> {
    // Of a term that is over already there is nothing to stop and nothing to tell.
    if (this.#finishing || term.signal.aborted) return
    const { restart } = this.#deps
    const outcome = await this.#runCommand(term)
    if (this.#endedBy !== undefined) {
      const exitCode = outcome.kind === 'cut' ? exitCodeOfSignal(this.#endedBy) : outcome.exitCode
      return void this.#finish(exitCode)
    }
    switch (outcome.kind) {
      case 'not-started':
        return void this.#finish(outcome.exitCode)
      case 'ended':
        return restart ? this.#contendAgain(outcome) : void this.#finish(outcome.exitCode)
      case 'cut':
        void endReason.then((reason) => this.#sayLost(term.fencingToken, reason))
        if (!restart) void this.#finish(1)
    }
  }

  /** Runs the command in a term; resolves when nothing of it is left. */
  async #runCommand(term: Term): Promise<Outcome> {
    const { tenure, command, voice, clock } = this.#deps
    const { fencingToken: token, holder } = term
    const { lease } = tenure.settings
    const env = {
      ...process.env,
      TENURE_FENCING_TOKEN: String(token),
      TENURE_LEASE: lease,
      TENURE_HOLDER: holder,
    }
    const guard = new GroupGuard(holder, ({ message }) => {
      const text = `no /bin/sh (${message}): if this process is killed, its command goes on`
      voice.say('guard_missing', text, {}, 'warn')
    })
    const startedMs = clock.monotonicMs()
    try {
      tenure.guardProcessGroup('starting')
      this.#group = await CommandGroup.start(command, env, clock)
      const { pid } = this.#group
      tenure.guardProcessGroup(pid)
      guard.watch(pid)
      const text = `leading with fencing token ${token}; started ${command[0]} (process ${pid})`
      voice.say('command_started', text, { lease, token, pid })
      const supervision = this.#superviseIn(term, this.#group)
      const exitCode = await supervision.run()
      voice.say('command_ended', `the command has ended with code ${exitCode}`, { token, exitCode })
      if (supervision.wasCut) return { kind: 'cut' }
      return { kind: 'ended', exitCode, forMs: clock.monotonicMs() - startedMs }
    } catch (error) {
      if (!(error instanceof StartError)) {
        this.#group?.signal('SIGKILL')
        throw error
      }
      voice.say('command_not_started', error.message, { token }, 'error')
      return { kind: 'not-started', exitCode: error.exitCode }
    } finally {
      guard.dismiss()
      tenure.guardProcessGroup(undefined)
      this.#group = undefined
      this.#supervision = undefined
    }
  }

  #superviseIn(term: Term, group: CommandGroup): Supervision {
    const { tenure, voice, clock } = this.#deps
    const { drainMs, stopGraceMs } = tenure.settings
    const token = term.fencingToken
    this.#supervision = new Supervision(group, term, {
      clock,
      drainMs,
      stopGraceMs,
      onStop(killInMs) {
        const text = `stopping the command; it is killed in ${spanOf(killInMs)} at the latest`
        voice.say('command_stopping', text, { token, killInMs: Math.round(killInMs) })
      },
      onStuck() {
        const text = `something in the process group ${group.pid} outlasts SIGKILL; waiting for it`
        voice.say('command_stuck', text, { token, pid: group.pid }, 'error')
      },
    })
    return this.#supervision
  }

  /** Gives the lease up, so that another instance may have it, and is a candidate again later. */
  #contendAgain({ exitCode, forMs }: Extract<Outcome, { kind: 'ended' }>): void {
    const { first, longest } = restartMs
    this.#failures = exitCode === 0 || forMs >= longest ? 0 : this.#failures + 1
    const coolDown = Math.min(first * 2 ** Math.max(0, this.#failures - 1), longest)
    const { voice, tenure } = this.#deps
    voice.say('contending_again', `contending again in ${spanOf(coolDown)}`, { inMs: coolDown })
    void tenure.resign({ coolDown })
  }

  #sayLost(token: number, reason: EndReason): void {
    const { restart, voice } = this.#deps
    const next = restart ? 'Contending again.' : 'Not contending again without --restart.'
    const text = `the term with fencing token ${token} is over: ${reasonsInWords[reason]}. ${next}`
    voice.say('term_lost', text, { token, reason }, restart ? 'warn' : 'error')
  }

  async #finish(exitCode: number): Promise<void> {
    if (this.#finishing) return
    this.#finishing = true
    await this.#deps.tenure.stop()
    this.#finished.resolve(exitCode)
  }
}

/** Why a term ends, as a sentence goes on. */
const reasonsInWords: Readonly<Record<EndReason, string>> = {
  resigned: 'it was asked to resign',
  stopped: 'it was stopped',
  stalled: 'this process was blocked for too long',
  'store-unreachable': 'the store could not be reached in time',
  expired: 'the lease was not renewed in time, because this process was frozen or suspended',
  stolen: 'the store says that another holds the lease, or that its record is gone',
  crashed: 'it crashed',
}
