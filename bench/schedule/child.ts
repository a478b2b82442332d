import { fork } from 'node:child_process'

import { descendantsOf, endWitness, memoryOf } from '../../test/support/witness.ts'
import type { Contender, ContenderConfig, CreateContender, Note } from './contender.ts'
import { endLater } from './endings.ts'

/** Beyond this a contender is cut off, and its row says so. */
export const registrationMsMax = 120_000
/** Beyond this, too. */
export const memoryBytesMax = 2 * 1024 ** 3

const lookEveryMs = 100

/** What a child tells on its way; `result` is the last. */
export type ChildMessage<Result> =
  | { readonly kind: 'registered' }
  | { readonly kind: 'idle' }
  | { readonly kind: 'result'; readonly result: Result }

/** What a child has measured, or why it could not. */
export type Outcome<Result> =
  | { readonly kind: 'measured'; readonly result: Result }
  | { readonly kind: 'cut off'; readonly why: string }

/**
 * Measures in a process of its own, which is ended after: when it has told its result, when it ends
 * by itself, or when it needs more than the limits allow.
 *
 * @param program the URL of a program of this benchmark
 * @param onMessage is called with each message of the child
 */
export function measureInChild<Result>(
  program: URL,
  config: object,
  onMessage: (kind: ChildMessage<Result>['kind']) => void = () => {},
): Promise<Outcome<Result>> {
  const { promise, resolve, reject } = Promise.withResolvers<Outcome<Result>>()
  const child = fork(program, [JSON.stringify(config)], {
    // The limit of memory is ours, which says what happened, and comes before that of V8.
    execArgv: ['--expose-gc', '--max-old-space-size=8192'],
    env: { ...process.env, TZ: 'UTC' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const { pid = 0 } = child
  const kill = endLater(() => {
    for (const each of descendantsOf(pid)) endWitness(each)
    child.kill('SIGKILL')
  })
  const cutOff = (why: string): void => resolve({ kind: 'cut off', why })
  const seconds = registrationMsMax / 1_000
  const slow = (): void => cutOff(`cut off: registration takes more than ${seconds} s`)
  const timer = setTimeout(slow, registrationMsMax)
  const looks = setInterval(() => {
    const gigabytes = memoryBytesMax / 1024 ** 3
    if (memoryOf(pid) > memoryBytesMax) cutOff(`cut off: takes more than ${gigabytes} GB`)
  }, lookEveryMs)
  child.on('message', (message: ChildMessage<Result>) => {
    onMessage(message.kind)
    if (message.kind === 'registered') clearTimeout(timer)
    if (message.kind === 'result') resolve({ kind: 'measured', result: message.result })
  })
  child.on('error', reject)
  child.on('exit', (code, signal) => cutOff(`ended by itself: ${signal ?? `exit code ${code}`}`))
  return promise.finally(async () => {
    clearTimeout(timer)
    clearInterval(looks)
    await kill()
  })
}

/** The child's side: tells the process that has started it. */
export function say<Result>(message: ChildMessage<Result>): void {
  process.send?.(message)
}

/** The child's side: what it is told. It ends with the process that has started it. */
export function readConfig(): unknown {
  process.once('disconnect', () => process.exit(1))
  return JSON.parse(process.argv[2] ?? '') as unknown
}

/** The child's side: the scheduler that it measures, whose module is loaded here. */
export async function loadContender(note: Note, config: ContenderConfig): Promise<Contender> {
  const { createContender } = (await import(`./contenders/${config.file}.ts`)) as {
    createContender: CreateContender
  }
  return createContender(note, config)
}
