// An instance of the package as it is built, for the benchmark of crashes: says when it leads, and
// when it has been refused and waits.
import type * as Tenure from '../src/index.ts'

const [store = '', options = '{}'] = process.argv.slice(2)
const built = new URL('../dist/index.js', import.meta.url)
const { createTenure } = (await import(built.href)) as typeof Tenure

const say = (line: string): void => void process.stdout.write(`${line}\n`)
const tenure = createTenure({
  store,
  ...(JSON.parse(options) as object),
  logger: {
    debug: (_fields, event) => event === 'lease_held' && say('waits'),
    info() {},
    warn: (fields, event) => say(`${event} ${JSON.stringify(fields)}`),
    error: (fields, event) => say(`${event} ${JSON.stringify(fields)}`),
  },
})
tenure.on('term:acquired', () => say(`leads ${Number(process.hrtime.bigint()) / 1e6}`))
await tenure.start()
