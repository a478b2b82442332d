import type { Socket } from 'node:net'
import type { ConnectionOptions } from 'node:tls'

/**
 * What is used of the package `pg`, by structure: whoever has `pg` but not `@types/pg` can compile
 * against Tenure. What a client is given.
 */
export interface PostgresClientConfig {
  user?: string
  password?: string | (() => string | Promise<string>)
  database?: string
  host?: string
  port?: number
  application_name?: string
  fallback_application_name?: string
  options?: string
  ssl?: boolean | ConnectionOptions
  sslnegotiation?: 'postgres' | 'direct'
  enableChannelBinding?: boolean
  keepAlive?: boolean
  keepAliveInitialDelayMillis?: number
  stream?: () => Socket
}

/** What a client of the package `pg` tells and does: one connection. */
export interface PostgresClient {
  /** Where it connects to, once the environment has filled in what its URL leaves out. */
  readonly host: string
  readonly port: number
  readonly user?: string | undefined
  readonly database?: string | undefined
  connect(): Promise<unknown>
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- it is how `pg` types rows
  query<Row>(text: string, values?: unknown[]): Promise<{ rows: Row[] }>
  end(): Promise<void>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(
    event: 'notification',
    listener: (message: { channel: string; payload?: string | undefined }) => void,
  ): unknown
}

/** The class `Client` of the package `pg`. */
export type PostgresClientClass = new (config: PostgresClientConfig) => PostgresClient
