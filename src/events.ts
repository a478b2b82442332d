/** How urgent a log line is; the names are pino's. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/**
 * Where log lines go: an object with pino's four methods, such as a pino logger, Fastify's
 * `app.log`, or one of your own. The first argument holds the fields, the second the event's name.
 */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** A line of a run's log: fields and a message, as pino takes them, or a message alone. */
export interface RunLogCall {
  (fields: object, message: string): void
  (message: string): void
}

/** The log of a run: that of the application, with the run's own fields on each line. */
export type RunLogger = Readonly<Record<LogLevel, RunLogCall>>

/** What is known of one kind of log line. */
export interface LogEvent {
  readonly level: LogLevel
  /** The fields that every line of this kind has, besides `lease`. */
  readonly fields: readonly string[]
  readonly when: string
}

/** The `msg` of a log line. */
export type LogEventName =
  | 'scheduler_lock_heartbeat_scheduled'
  | 'scheduler_lock_heartbeat_no_scheduler'
  | 'scheduler_lock_heartbeat_updated'
  | 'scheduler_lock_heartbeat_failed'
  | 'scheduler_lock_heartbeat_timeout'
  | 'scheduler_lock_heartbeat_error'
  | 'lease_held'
  | 'lease_acquired'
  | 'lease_ending'
  | 'lease_released'
  | 'lease_lost'
  | 'lease_acquire_failed'
  | 'lease_release_failed'
  | 'lease_other_application'
  | 'application_unknown'
  | 'jobs_differ'
  | 'lease_token_went_back'
  | 'lease_superseded'
  | 'lease_resign_requested'
  | 'store_parameters_ignored'
  | 'store_push_unavailable'
  | 'store_files_changed'
  | 'store_file_linked'
  | 'main_thread_stalled'
  | 'main_thread_revived'
  | 'heart_died'
  | 'witness_absent'
  | 'witness_died'
  | 'instance_duplicate'
  | 'settings_invalid'
  | 'drain_exceeded'
  | 'log_lines_dropped'
  | 'run_started'
  | 'run_finished'
  | 'run_failed'
  | 'run_timeout'
  | 'run_lost'
  | 'run_retry'
  | 'run_skipped'
  | 'run_abandoned'
  | 'ledger_failed'
  | 'stored_job_not_run'
  | 'jobs_cannot_start'
  | 'while_leader_failed'
  | 'listener_failed'
  | 'internal_error'

/**
 * Every line that Tenure logs, by its `msg`. The first six are the classic heartbeat's. A test
 * holds this table against `docs/events.md`, and against what is logged.
 */
export const logEvents: Readonly<Record<LogEventName, LogEvent>> = {
  scheduler_lock_heartbeat_scheduled: {
    level: 'info',
    fields: ['intervalSeconds'],
    when: 'The heartbeat was registered on the scheduler.',
  },
  scheduler_lock_heartbeat_no_scheduler: {
    level: 'warn',
    fields: [],
    when: '`registerHeartbeat` found no scheduler on the application; nothing was registered.',
  },
  scheduler_lock_heartbeat_updated: {
    level: 'debug',
    fields: ['correlationId', 'token', 'latencyMs', 'marginMs'],
    when: 'The lease was renewed; `marginMs` is the trust that was left when the reply came.',
  },
  scheduler_lock_heartbeat_failed: {
    level: 'warn',
    fields: ['correlationId', 'reason', 'message'],
    when: 'The store says that the lease is no longer ours; the term has ended.',
  },
  scheduler_lock_heartbeat_timeout: {
    level: 'error',
    fields: ['correlationId', 'timeoutSeconds', 'message'],
    when: 'One attempt was cancelled at its timeout; it is tried again while trust lasts.',
  },
  scheduler_lock_heartbeat_error: {
    level: 'error',
    fields: ['correlationId', 'error', 'message'],
    when: 'One attempt failed in any other way; it is tried again while trust lasts.',
  },
  lease_held: {
    level: 'debug',
    fields: ['holder', 'token', 'remainingMs'],
    when: 'A candidate was refused: another instance holds the lease.',
  },
  lease_acquired: {
    level: 'info',
    fields: ['holder', 'token', 'wokenBy'],
    when: 'This instance leads from now on.',
  },
  lease_ending: {
    level: 'info',
    fields: ['holder', 'token', 'reason'],
    when: 'No new run starts in this term, and what still runs is being stopped.',
  },
  lease_released: {
    level: 'info',
    fields: ['holder', 'token', 'reason'],
    when: 'The term has ended, and the lease is free for the next leader.',
  },
  lease_lost: {
    level: 'warn',
    fields: ['holder', 'token', 'reason'],
    when: 'The term has ended without a release.',
  },
  lease_acquire_failed: {
    level: 'warn',
    fields: ['holder', 'error', 'message', 'retryMs'],
    when: 'An attempt to acquire timed out or failed; it is tried again after `retryMs`.',
  },
  lease_release_failed: {
    level: 'warn',
    fields: ['holder', 'token', 'error', 'message'],
    when: 'A release timed out or failed; the lease expires by itself.',
  },
  lease_other_application: {
    level: 'error',
    fields: ['application', 'otherApplication', 'message'],
    when: 'Another application shares the lease: only one of them runs its jobs at a time. Logged at the start and when the lease passes between them, once an hour at most.',
  },
  application_unknown: {
    level: 'warn',
    fields: ['message'],
    when: 'The name of the application is not set, and no package.json tells it: two applications on one lease would not be noticed. Logged once, at the start.',
  },
  jobs_differ: {
    level: 'warn',
    fields: ['holder', 'jobsHash', 'leaderJobsHash', 'message'],
    when: 'The leader (`holder`) has other jobs than this instance; told once for each two sets.',
  },
  lease_token_went_back: {
    level: 'error',
    fields: ['holder', 'token', 'previousToken', 'message'],
    when: 'The store gave a fencing token that is not higher than one seen before.',
  },
  lease_superseded: {
    level: 'error',
    fields: ['holder', 'token', 'by', 'message'],
    when: 'The lease is renewed, but the ledger takes another token (`by`) for the last: the term ends, for one above it.',
  },
  lease_resign_requested: {
    level: 'info',
    fields: ['holder', 'token', 'by'],
    when: 'Somebody asked this leader to resign.',
  },
  store_parameters_ignored: {
    level: 'warn',
    fields: ['parameters', 'message'],
    when: 'The store URL has parameters that mean nothing to Tenure; told once at each start.',
  },
  store_push_unavailable: {
    level: 'warn',
    fields: ['error', 'message'],
    when: 'No pushes come, for now or at all; candidates look once each heartbeat interval. Once an hour for each cause.',
  },
  store_files_changed: {
    level: 'error',
    fields: ['message'],
    when: 'Somebody else has removed, replaced or unlocked the files of a SQLite store. A term ends with `stolen`; this instance takes no lease for a ttl.',
  },
  store_file_linked: {
    level: 'warn',
    fields: ['message'],
    when: 'The file of a SQLite store has got a second name (a hard link) while it is in use.',
  },
  main_thread_stalled: {
    level: 'error',
    fields: ['stalledMs', 'stallLimitMs', 'message'],
    when: 'The main thread gave no sign of life for `stallLimit`; the lease is not renewed.',
  },
  main_thread_revived: {
    level: 'warn',
    fields: ['message'],
    when: 'The main thread runs again after a stall.',
  },
  heart_died: {
    level: 'error',
    fields: ['error', 'message', 'retryMs'],
    when: 'The thread that renews the lease ended unexpectedly; it is restarted after `retryMs`.',
  },
  witness_absent: {
    level: 'warn',
    fields: ['message'],
    when: 'There can be no witness here: after a `kill -9` of this process its lease has to expire.',
  },
  witness_died: {
    level: 'warn',
    fields: ['message', 'retryMs'],
    when: 'The witness ended before this process; it is started again after `retryMs`.',
  },
  instance_duplicate: {
    level: 'warn',
    fields: ['message'],
    when: 'This process has started a second Tenure for the same lease, as a hot reload does.',
  },
  settings_invalid: {
    level: 'error',
    fields: ['error', 'message'],
    when: 'The environment was changed into settings that are not valid; the last ones stay.',
  },
  drain_exceeded: {
    level: 'warn',
    fields: ['jobs', 'message'],
    when: 'Work did not end within `drain`; the lease is not released, it expires.',
  },
  log_lines_dropped: {
    level: 'warn',
    fields: ['count'],
    when: 'The main thread was blocked for so long that lines of the heartbeat were dropped.',
  },
  run_started: {
    level: 'debug',
    fields: ['jobId', 'runId', 'correlationId', 'token', 'attempt', 'scheduledFor'],
    when: 'A run of a job starts.',
  },
  run_finished: {
    level: 'debug',
    fields: ['jobId', 'runId', 'correlationId', 'token', 'attempt', 'outcome', 'durationMs'],
    when: 'A run of a job ended otherwise than by failing: see `outcome`.',
  },
  run_failed: {
    level: 'error',
    fields: [
      'jobId',
      'runId',
      'correlationId',
      'token',
      'attempt',
      'outcome',
      'durationMs',
      'error',
    ],
    when: 'The handler of a job threw or rejected; the schedule goes on.',
  },
  run_timeout: {
    level: 'error',
    fields: ['jobId', 'runId', 'correlationId', 'token', 'attempt', 'timeoutMs'],
    when: "A run reached the job's `timeout`; its signal is aborted.",
  },
  run_lost: {
    level: 'error',
    fields: ['jobId', 'runId', 'correlationId', 'token', 'attempt', 'timeoutGraceMs', 'message'],
    when: 'A run goes on `timeoutGrace` after its `timeout`; it still counts as running.',
  },
  run_retry: {
    level: 'info',
    fields: ['jobId', 'correlationId', 'token', 'attempt', 'retryMs'],
    when: 'A run failed, and its tick is tried again after `retryMs`, as this attempt.',
  },
  run_skipped: {
    level: 'info',
    fields: ['jobId', 'reason', 'scheduledFor', 'until', 'count', 'attempt'],
    when: 'A tick, or the retry of one, was not run, for this `reason`.',
  },
  run_abandoned: {
    level: 'warn',
    fields: [
      'jobId',
      'runId',
      'correlationId',
      'token',
      'attempt',
      'scheduledFor',
      'rerun',
      'message',
    ],
    when: 'An earlier leader was lost before this run, of its `token`, had ended.',
  },
  ledger_failed: {
    level: 'warn',
    fields: ['error', 'retryMs', 'message'],
    when: 'Ticks or runs could not be written, or stored jobs not be read; it is tried again after `retryMs`. No job starts meanwhile, but those with `ledger: false`.',
  },
  stored_job_not_run: {
    level: 'error',
    fields: ['jobId', 'handler', 'message'],
    when: 'This leader cannot run a stored job: it has no such handler, or a job of its own with that id, or does not understand it. Told once in a term.',
  },
  jobs_cannot_start: {
    level: 'error',
    fields: ['token', 'failures', 'coolDownMs', 'message'],
    when: 'The ledger fails though the lease is renewed: this leader resigns, so that another one may lead.',
  },
  while_leader_failed: {
    level: 'error',
    fields: ['token', 'error'],
    when: 'A function given to `whileLeader` failed; it is called again in the next term.',
  },
  listener_failed: {
    level: 'error',
    fields: ['event', 'error'],
    when: 'A listener of `tenure.on` threw; the others are called all the same.',
  },
  internal_error: {
    level: 'error',
    fields: ['error', 'message'],
    when: 'Code of Tenure failed where nothing of the application could catch it, which runs on. Please report it.',
  },
}

/** The six events of the classic heartbeat. */
export const heartbeatEvents: readonly LogEventName[] = [
  'scheduler_lock_heartbeat_scheduled',
  'scheduler_lock_heartbeat_no_scheduler',
  'scheduler_lock_heartbeat_updated',
  'scheduler_lock_heartbeat_failed',
  'scheduler_lock_heartbeat_timeout',
  'scheduler_lock_heartbeat_error',
]

/** One log line on its way to the logger; `timeMs` is when it happened, not when it was printed. */
export interface LogLine {
  readonly event: LogEventName
  readonly timeMs: number
  readonly fields: Readonly<Record<string, unknown>>
}

/**
 * Lets go of what a function of the application returned. If it is a promise, of whichever realm, and
 * rejects, `onError` is told.
 */
export function detachResult(result: unknown, onError: (error: unknown) => void): void {
  const isObject = typeof result === 'object' && result !== null
  if (isObject && 'then' in result) Promise.resolve(result).catch(onError)
}
