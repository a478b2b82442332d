import { parseArgs } from 'node:util'

import { parseDuration, type Duration } from '../../src/index.ts'

/** Everything that this service can be told, by a flag or by the environment. */
export interface Settings {
  readonly port: number
  readonly host: string
  /** The service's own data. */
  readonly database: string
  /** Where the lease lives: a file of its own. All else of Tenure is taken from `TENURE_*`. */
  readonly store: string
  readonly sessionLifetimeMs: number
  readonly purgeEvery: Duration
  readonly rollUpEvery: Duration
  readonly backupCron: string
  /** What a backup takes at least. */
  readonly backupMs: number
}

/** What `--help` prints. */
export const help = `A small web service whose jobs run on one of its instances only.

  node server.ts [--port 3000] [--host 127.0.0.1] [--database ./service.db]
                 [--store sqlite:./tenure.db]

The environment does the same: PORT, HOST, DATABASE, TENURE_STORE and every other TENURE_* (such as
TENURE_LABEL and TENURE_TTL), SESSION_LIFETIME, PURGE_EVERY, ROLL_UP_EVERY, BACKUP_CRON,
BACKUP_TAKES, LOG_LEVEL.
`

/** Reads flags over environment over defaults. Throws an error that says what is wrong. */
export function readSettings(
  args: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Settings | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      port: { type: 'string', default: environment['PORT'] ?? '3000' },
      host: { type: 'string', default: environment['HOST'] ?? '127.0.0.1' },
      database: { type: 'string', default: environment['DATABASE'] ?? './service.db' },
      store: { type: 'string', default: environment['TENURE_STORE'] ?? 'sqlite:./tenure.db' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return 'help'
  const duration = (name: string, fallback: Duration): number =>
    parseDuration(environment[name] ?? fallback, name)
  return {
    port: portOf(values.port),
    host: values.host,
    database: values.database,
    store: values.store,
    sessionLifetimeMs: duration('SESSION_LIFETIME', '30m'),
    purgeEvery: duration('PURGE_EVERY', '30s'),
    rollUpEvery: duration('ROLL_UP_EVERY', '1m'),
    backupCron: environment['BACKUP_CRON'] ?? '0 3 * * *',
    backupMs: duration('BACKUP_TAKES', 0),
  }
}

function portOf(text: string): number {
  const port = Number(text)
  if (text.trim() !== '' && Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new Error(`Expected the port to be a whole number from 0 to 65535; got ${text}.`)
}
