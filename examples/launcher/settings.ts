import { parseArgs } from 'node:util'

import { formatDurationWords } from './words.ts'
import { parseDuration } from '../../src/index.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'

/** What the launcher can be told. */
export interface Settings {
  readonly port: number
  /** A store URL; `undefined` is a SQLite file of the demonstration's own. */
  readonly store: string | undefined
  /** Where the heartbeat of the instances runs. */
  readonly heartbeatIn: 'thread' | 'main'
  readonly busyMs: number
  readonly stallLimitMs: number
  readonly verbose: boolean
}

/** Where the page is, if that port is free. */
export const portDefault = 4646

/** The short set: what takes 20 s by default takes 6 s here, so that one can watch it. */
export const leaseSettings = { ttl: '6s', heartbeat: '2s', attemptTimeout: '1s' } as const

/** What `--help` prints. */
export const help = `Starts three instances of a small web service that share one scheduler, and a page that shows
what they do, with buttons to make them busy, to hang, freeze and kill them.

  npm start                    the page is at http://127.0.0.1:${portDefault}/
  npm start -- --heartbeat-in main
                               the losing control: the heartbeat on the event loop

  npm start -- --store postgres://user:password@host/database
                               the same on a real server

  --store URL                  where the lease is (a SQLite file of its own)
  --port NUMBER                where the page is; another free one if that is taken
  --heartbeat-in thread|main   where the heartbeat of the instances runs (thread)
  --busy DURATION              for how long "Busy" blocks an instance (30s)
  --stall-limit DURATION       after which a hung instance is given up (40s)
  --verbose                    prints the log lines of the instances as well
  --help                       prints this
`

/** Reads the flags. Throws an error that says what is wrong. */
export function readSettings(args: readonly string[]): Settings | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      store: { type: 'string' },
      port: { type: 'string', default: String(portDefault) },
      'heartbeat-in': { type: 'string', default: 'thread' },
      busy: { type: 'string', default: '30s' },
      'stall-limit': { type: 'string', default: '40s' },
      verbose: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const { 'heartbeat-in': heartbeatIn, verbose } = values
  if (heartbeatIn !== 'thread' && heartbeatIn !== 'main') {
    throw new Error(`Expected --heartbeat-in to be thread or main; got ${heartbeatIn}.`)
  }
  const { store } = values
  // Wrong options are found here, before three instances find them.
  if (store !== undefined) checkStore(store)
  const port = Number(values.port)
  if (values.port.trim() === '' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Error(`Expected --port to be a whole number from 0 to 65535; got ${values.port}.`)
  }
  const busyMs = parseDuration(values.busy, '--busy')
  const stallLimitMs = parseDuration(values['stall-limit'], '--stall-limit')
  const ttlMs = parseDuration(leaseSettings.ttl, 'ttl')
  if (stallLimitMs < ttlMs || stallLimitMs <= busyMs) {
    throw new Error(
      `Expected --stall-limit to be at least the ttl of ${formatDurationWords(ttlMs)} and longer ` +
        `than --busy, ${formatDurationWords(busyMs)}; got ${formatDurationWords(stallLimitMs)}.`,
    )
  }
  return { port, store, heartbeatIn, busyMs, stallLimitMs, verbose }
}

function checkStore(store: string): void {
  const { scheme } = parseStoreUrl(store)
  if (scheme === 'memory')
    throw new Error('Expected --store to be shared by processes; got memory:.')
}
