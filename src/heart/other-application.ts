import type { InstantSource } from '../clock.ts'
import type { LeaseRecord } from '../store/lease-store.ts'
import type { Line } from './elector-lines.ts'

/** How often it is said at most. */
const sayAgainMs = 3_600_000

/** What is compared: this application, if its name is known, by a clock that nobody sets. */
export interface OtherApplicationDeps {
  readonly clock: Pick<InstantSource, 'monotonicMs'>
  readonly application: string | undefined
}

/**
 * Notices that two applications share the lease: at the start, and when the lease passes from one to
 * the other. Each says so in its own log; nobody is refused, because an application that was renamed
 * has to be deployed beside itself. An application whose name nobody knows may be the same one.
 */
export class OtherApplication {
  readonly #deps: OtherApplicationDeps
  /** Whose leader was seen last; this application's own where it leads. */
  #leading: string | undefined
  #saidMs = -Infinity

  constructor(deps: OtherApplicationDeps) {
    this.#deps = deps
  }

  /** An acquisition was refused by this record. */
  held({ application: other }: LeaseRecord): Line[] {
    return this.#passedTo(other, other)
  }

  /** This instance leads from now on. */
  acquired(): Line[] {
    const { application } = this.#deps
    const before = this.#leading
    return application === undefined ? [] : this.#passedTo(application, before)
  }

  #passedTo(leading: string, other: string | undefined): Line[] {
    const { application, clock } = this.#deps
    // What has no name tells nothing, also not that the lease has passed on.
    if (leading === '' || leading === this.#leading) return []
    this.#leading = leading
    const nowMs = clock.monotonicMs()
    if (application === undefined || other === undefined || other === application) return []
    if (nowMs - this.#saidMs < sayAgainMs) return []
    this.#saidMs = nowMs
    const message =
      `Two applications share this lease: ${JSON.stringify(application)} (this one) and ` +
      `${JSON.stringify(other)}. Only one of them runs its jobs at a time, and the jobs of the ` +
      `other do not run. Give each a lease of its own, such as \`lease: ${quoted(application)}\`; ` +
      'if they are one application, give both the same `application`.'
    const fields = { application, otherApplication: other, message }
    return [{ event: 'lease_other_application', fields }]
  }
}

function quoted(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&')}'`
}
