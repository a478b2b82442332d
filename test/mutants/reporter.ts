// Tells of each test on a pipe of its own, as soon as it has ended, that it passed or failed.
import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import type { TestEvent } from 'node:test/reporters'

/** What comes on the pipe, a line each. */
export interface Told {
  /** Its name after those of the suites that it is in. */
  readonly name: string
  readonly passed: boolean
}

const pipe = 3

// Its stdin ends with whoever asked: then nobody hears of the tests any more, or ends one that hangs.
process.stdin.on('end', () => process.exit(1)).resume()
if (process.stdin instanceof Socket) process.stdin.unref()

async function* tell(events: AsyncIterable<TestEvent>): AsyncGenerator<never> {
  const path: string[] = []
  for await (const { type, data } of events) {
    if (type === 'test:start') path.splice(data.nesting, Infinity, data.name)
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (data.details.type === 'suite' || data.skip !== undefined) continue
    const name = [...path.slice(0, data.nesting), data.name].join(' ')
    const told: Told = { name, passed: type === 'test:pass' }
    writeSync(pipe, `${JSON.stringify(told)}\n`)
  }
  yield* []
}

// oxlint-disable-next-line import/no-default-export -- Node.js asks for it of a reporter.
export default tell
