// What compiles and what does not: checked by `tsc -p .`, and never run. Where a line below
// `@ts-expect-error` compiles after all, that is an error of the compiler's.
import {
  createTenure,
  ledgerBatchMax,
  type Duration,
  type Run,
  type Schedule,
} from '../../src/index.ts'
import { createTestTenure } from '../../src/testing/index.ts'

interface Customer {
  readonly customer: string
}

/** Never called. */
export async function doesNotCompile(): Promise<void> {
  const tenure = createTenure({ store: 'memory:' })

  // @ts-expect-error A store that was forgotten.
  createTenure({})
  // @ts-expect-error
  createTenure({ lease: 'x' })
  // @ts-expect-error
  createTenure({ store: 'memory:', tll: '20s' })
  // @ts-expect-error
  createTestTenure({ store: 'memory:' })
  // @ts-expect-error
  tenure.reconfigure({ history: { runs: 1 } })

  const durations: Duration[] = [
    // @ts-expect-error
    '20 s',
    // @ts-expect-error
    ' 20s',
    // @ts-expect-error
    '20s ',
    // @ts-expect-error
    '20',
    // @ts-expect-error
    '1e3s',
    // @ts-expect-error
    '1.s',
    // @ts-expect-error
    '20sec',
    // @ts-expect-error
    's',
  ]

  const schedules: Schedule[] = [
    // @ts-expect-error
    { every: '1s', cron: '* * * * *' },
    // @ts-expect-error
    { every: '1s', timeZone: 'Europe/Berlin' },
    // @ts-expect-error
    { cron: '* * * * *', mode: 'after-finish' },
    // @ts-expect-error
    { at: new Date(), every: '1s' },
    // @ts-expect-error
    { at: new Date(), startAt: new Date() },
    // @ts-expect-error
    { timeZone: 'UTC' },
  ]

  const send = (run: Run<Customer>): string => run.data.customer
  const every: Schedule = { every: '1s' }
  // @ts-expect-error A handler that expects data without one.
  await tenure.schedule('send', every, send)
  // @ts-expect-error
  await tenure.schedule('send', every, send, { timeout: '20s' })
  // @ts-expect-error
  await tenure.schedule('send', every, send, { data: undefined })
  // @ts-expect-error
  await tenure.schedule('send', every, send, { data: { customer: 7 } })
  // @ts-expect-error
  await tenure.schedule<Customer>('send', every, (run) => run.data.customer)
  // @ts-expect-error
  tenure.on('term:aquired', () => {})

  void [durations, schedules]
}

/** Never called. */
export async function compiles(): Promise<void> {
  const tenure = createTenure()
  createTenure({ store: undefined, lease: 'x' })
  createTenure({ store: process.env['DATABASE_URL'], ttl: '20s', logger: console })

  const durations: Duration[] = [
    20,
    '0s',
    '500ms',
    '20s',
    '1.5m',
    '1.05s',
    '0.25h',
    '0.001s',
    '1.50d',
    '2.0h',
  ]
  const schedules: Schedule[] = [
    { every: '1s', mode: 'after-finish', startAt: new Date() },
    { every: 1_000, cron: undefined },
    { cron: '* * * * *', timeZone: 'Europe/Berlin', endAt: '2027-01-01T00:00:00Z' },
    { at: new Date() },
  ]

  const send = (run: Run<Customer>): string => run.data.customer
  const every: Schedule = { every: '1s' }
  const customer = 'acme'
  await tenure.schedule('send', every, send, { data: { customer } })
  await tenure.schedule('send', every, (run) => run.data.customer, { data: { customer } })
  await tenure.schedule<Customer>('send', every, (run) => run.data.customer, { data: { customer } })
  await tenure.schedule('tick', every, () => {})
  await tenure.schedule('tick', every, async (run) => run.log.info('tick'), { timeout: '20s' })
  await tenure.schedule('tick', every, (run: Run) => run.id)
  await tenure.schedule('maybe', every, (run: Run<Customer | undefined>) => run.data?.customer)
  await tenure.stored.schedule('stored', every, 'send', { data: { customer } })
  tenure.handle<Customer>('send', (run) => run.data.customer)
  tenure.reconfigure({ ttl: '30s' })

  const most: number = ledgerBatchMax
  void [durations, schedules, most]
}
