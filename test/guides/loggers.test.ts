// The loggers of docs/loggers.md: its code, run on the real ones, gets the name of every event, its
// level and its fields to where a person reads them.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { describe, test } from 'node:test'

import { createTenure, type Logger } from '../../src/index.ts'
import { createTestTenure } from '../../src/testing/index.ts'
import { toolsOf } from '../support/tools.ts'

/** What is used of Nest's logger. */
interface NestLoggerClass {
  new (context: string): object
  overrideLogger(logger: object | boolean): void
}

/** What is used of winston. */
interface Winston {
  createLogger(options: object): object
  transports: { Stream: new (options: { stream: Writable }) => object }
  format: { json(): object }
}

const load = createRequire(join(toolsOf('guides'), 'tenure.js'))
const { Logger: NestLogger } = load('@nestjs/common') as { Logger: NestLoggerClass }
const { pino } = load('pino') as {
  pino: (options: object, stream: { write(line: string): void }) => Logger
}
const winston = load('winston') as Winston

const document = readFileSync(new URL('../../docs/loggers.md', import.meta.url), 'utf8')

/** The functions that the document has, as they stand there. */
const code = [...document.matchAll(/```js\n([^]*?)```/g)]
  .map(([, block = '']) => block)
  .filter((block) => block.includes('export function'))
  .join('\n')
const adapters = (await import(`data:text/javascript,${encodeURIComponent(code)}`)) as Record<
  'winstonLogger' | 'nestLogger' | 'consoleLogger',
  (logger: unknown) => Logger
>

/** What everybody has to be told: that it leads, that a run has failed, and why it leads no more. */
const told = [
  { level: 'info', parts: ['lease_acquired', 'scheduler'] },
  { level: 'info', parts: ['ticked', 'purge', '42'] },
  { level: 'error', parts: ['run_failed', 'purge', 'on purpose'] },
  { level: 'warn', parts: ['lease_lost', 'stolen'] },
]

/** Lets a Tenure lead, run, fail and lose its term. */
async function use(logger: Logger): Promise<void> {
  const tenure = createTestTenure({ logger })
  await tenure.schedule('purge', { every: '1m' }, (run) => {
    run.log.info({ rows: 42 }, 'ticked')
    throw new Error('on purpose')
  })
  await tenure.start()
  await tenure.advance('1m')
  await tenure.lose()
  await tenure.stop()
}

function checkTold(lines: readonly { level: string; text: string }[]): void {
  for (const { level, parts } of told) {
    const found = lines.some(
      (line) => line.level === level && parts.every((part) => line.text.includes(part)),
    )
    assert.ok(found, `${level} ${parts.join(', ')} in\n${JSON.stringify(lines, undefined, 1)}`)
  }
}

/** What the methods of a logger were called with, as a person would see it. */
function recorder(methods: Readonly<Record<string, string>>) {
  const lines: { level: string; text: string }[] = []
  const logger: Record<string, (...args: unknown[]) => void> = {}
  for (const [method, level] of Object.entries(methods)) {
    logger[method] = (...args) => {
      const text = args
        .map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg)))
        .join(' ')
      lines.push({ level, text })
    }
  }
  return { lines, logger }
}

/** A logger of winston's own, and what it has written. */
function winstonLogger(): { lines: { level: string; text: string }[]; logger: object } {
  const lines: { level: string; text: string }[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      const text = String(chunk)
      lines.push({ level: (JSON.parse(text) as { level: string }).level, text })
      done()
    },
  })
  const transports = [new winston.transports.Stream({ stream })]
  const logger = winston.createLogger({ level: 'debug', format: winston.format.json(), transports })
  return { lines, logger }
}

describe('a logger', () => {
  test('of pino is one as it is', async () => {
    const written: string[] = []
    await use(pino({ level: 'info' }, { write: (line: string) => void written.push(line) }))
    const names: Record<number, string> = { 30: 'info', 40: 'warn', 50: 'error' }
    const lines = written.map((text) => {
      const { level } = JSON.parse(text) as { level: number }
      return { level: names[level] ?? '', text }
    })
    checkTold(lines)
  })

  test('of winston is one by the adapter of the document, and refused without it', async () => {
    const { lines, logger } = winstonLogger()
    await use(adapters.winstonLogger(logger))
    checkTold(lines)
    for (const { text } of lines) {
      const { message } = JSON.parse(text) as { message: string }
      assert.match(message, /^[a-z_]+$/, 'the name of the event, and nothing joined to it')
    }
    // A child of such a logger has the logger as its prototype.
    for (const given of [logger, Object.create(logger) as object]) {
      assert.throws(() => createTenure({ store: 'memory:', logger: given as Logger }), {
        code: 'TENURE_ERR_OPTION_TYPE',
        message: /winston, which takes the message first.*docs\/loggers\.md/,
      })
    }
  })

  test('of Nest is one by the adapter of the document, and refused without it', async () => {
    const { lines, logger } = recorder({
      log: 'info',
      warn: 'warn',
      error: 'error',
      debug: 'debug',
    })
    NestLogger.overrideLogger(logger)
    try {
      const nest = new NestLogger('Tenure')
      await use(adapters.nestLogger(nest))
      checkTold(lines)
      assert.throws(() => createTenure({ store: 'memory:', logger: nest as never }), {
        message: /without \[info\].*NestJS.*docs\/loggers\.md/,
      })
    } finally {
      NestLogger.overrideLogger(true)
    }
  })

  test('that is the console is one as it is, and by the adapter of the document', async () => {
    for (const adapt of [(logger: unknown) => logger as Logger, adapters.consoleLogger]) {
      const methods = { info: 'info', warn: 'warn', error: 'error', debug: 'debug' }
      const { lines, logger } = recorder(methods)
      await use(adapt(logger))
      checkTold(lines)
    }
  })
})
