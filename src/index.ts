import './instance/check-node.ts'

export { correlationId, isCorrelationId, withCorrelationId } from './correlation.ts'
export { parseDuration, type Duration, type DurationUnit } from './duration.ts'
export { errorCodes, TenureError, type ErrorCode } from './errors.ts'
export {
  heartbeatEvents,
  logEvents,
  type LogEvent,
  type LogEventName,
  type Logger,
  type LogLevel,
  type LogLine,
  type RunLogCall,
  type RunLogger,
} from './events.ts'
export type { JobsDifference } from './heart/jobs-comparison.ts'
export type { Fence, PostgresFenceClient, SqliteFenceDatabase } from './fencing/fence-client.ts'
export { fenceTableSql } from './fencing/fence.ts'
export {
  heartbeatIntervalSeconds,
  heartbeatJobId,
  heartbeatTimeoutSeconds,
} from './instance/heartbeat-job.ts'
export type { Term } from './instance/live-term.ts'
export { optionNames } from './options.ts'
export type {
  HeartbeatIn,
  OnStall,
  ReconfigurableOptions,
  Settings,
  StoreModuleOption,
  TenureOptions,
  WitnessMode,
} from './options.ts'
export { registerHeartbeat, type HeartbeatRegistration } from './instance/register-heartbeat.ts'
export type { JobRecord, NextTicks } from './schedule/job.ts'
export type { JobOptions, Overlap, RetryOptions } from './schedule/job-options.ts'
export type {
  Handler,
  Run,
  RunOutcome,
  RunProgress,
  RunRecord,
  SkipRecord,
} from './schedule/run.ts'
export type { Schedule, ScheduleBounds } from './schedule/schedule.ts'
export {
  healthOf,
  type Health,
  type HealthReply,
  type HeartbeatFault,
  type Role,
  type Status,
  type WitnessStatus,
} from './instance/status.ts'
export * from './store/lease-store.ts'
export * from './store/ledger-store.ts'
export * from './store/stored-schedule.ts'
export type { RaiseTokenOutcome, ResignRequestOutcome } from './instance/store-reader.ts'
export type { StoredJob, StoredSchedules } from './instance/stored-schedules.ts'
export type { TenureEvents } from './instance/tenure-events.ts'
export { createTenure, type Tenure } from './tenure.ts'
