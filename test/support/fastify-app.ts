import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

import fastify, { type FastifyInstance } from 'fastify'

import { tenurePlugin, type TenurePluginOptions } from '../../src/fastify/tenure-plugin.ts'
import type { Logger } from '../../src/index.ts'
import { until } from './until.ts'

/** A log line of pino's, parsed. */
export type PinoLine = { readonly level: number; readonly msg: string } & Record<string, unknown>

/** A Fastify application with the plugin, that listens, and what it has logged. */
export interface ServedApp {
  readonly app: FastifyInstance
  readonly url: string
  readonly lines: readonly PinoLine[]
}

/** A store in memory that no other test shares. */
export function ownMemory(): string {
  return `memory:${randomUUID()}`
}

const cleanups = new WeakMap<TestContext, (() => unknown)[]>()

/** Has something done after the test: what came last is done first, unlike with `t.after`. */
export function atEnd(t: TestContext, cleanUp: () => unknown): void {
  const registered = cleanups.get(t)
  if (registered !== undefined) return void registered.unshift(cleanUp)
  const all = [cleanUp]
  cleanups.set(t, all)
  t.after(async () => {
    for (const each of all) await each()
  })
}

/** Says nothing. */
export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
}

/** A folder that is removed after the test. */
export function ownFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-fastify-'))
  atEnd(t, () => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }))
  return folder
}

/** An application that writes its log lines into an array, and is closed after the test. */
export function createLoggedApp(t: TestContext): { app: FastifyInstance; lines: PinoLine[] } {
  const lines: PinoLine[] = []
  const stream = { write: (line: string) => void lines.push(JSON.parse(line) as PinoLine) }
  const app = fastify({ logger: { level: 'debug', stream } })
  atEnd(t, () => app.close())
  return { app, lines }
}

/** Serves an application with the plugin on a free port, until the test is over. */
export async function serve(
  t: TestContext,
  options: TenurePluginOptions,
  prepare: (app: FastifyInstance) => void | Promise<void> = () => {},
): Promise<ServedApp> {
  const { app, lines } = createLoggedApp(t)
  await app.register(tenurePlugin, options)
  await prepare(app)
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  return { app, url, lines }
}

/** Waits until the application leads. */
export async function untilLeader({ app }: Pick<ServedApp, 'app'>): Promise<void> {
  await until('the application leads', () => app.tenure.isLeader)
}

/** The body of a reply, which is an object of JSON. */
export async function jsonOf(response: Response): Promise<Record<string, unknown>> {
  return (await response.json()) as Record<string, unknown>
}

/** A store of one's own, with options that may hold a secret. */
export function ownModule(folder: string, more: object = {}): { module: URL; options: object } {
  const module = new URL('./faulty-store.ts', import.meta.url)
  const options = { path: join(folder, 'tenure.db'), faultPath: join(folder, 'fault'), ...more }
  return { module, options }
}
