import { Demo } from './demo.ts'
import { PageServer } from './page-server.ts'
import { help, leaseSettings, readSettings, type Settings } from './settings.ts'
import { formatDurationWords } from './words.ts'

function parse(): Settings | 'help' {
  try {
    return readSettings(process.argv.slice(2))
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`)
    process.exit(2)
  }
}

const settings = parse()
if (settings === 'help') {
  console.log(help)
  process.exit(0)
}

const say = (line: string): void => {
  const time = new Date().toTimeString().slice(0, 8)
  console.log(`${time}  ${line}`)
}

const demo = new Demo(settings, say)
const server = new PageServer(demo)
let ending = false

async function end(code: number): Promise<never> {
  if (!ending) {
    ending = true
    say('Ending the instances ...')
    await server.end().catch(() => {})
    await demo.end()
    say('All is clean.')
    process.exit(code)
  }
  return new Promise(() => {})
}

// Ctrl-C reaches the instances as well, which close by themselves, as far as they are able to. npm
// hands it on a second time, so that another one of them must not mean "at once".
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => void end(0))
}

console.log(`Three instances of examples/fastify-service, with a ttl of ${leaseSettings.ttl}:`)
let port = 0
try {
  await demo.start()
  port = await server.listen(settings.port)
} catch (error) {
  if (!ending) console.error(error instanceof Error ? error.message : String(error))
  await end(1)
}
const inThread = settings.heartbeatIn === 'thread'
const busy = inThread
  ? 'it keeps the lease'
  : 'it loses the lease, as --heartbeat-in main is the control'
const giveUp = formatDurationWords(settings.stallLimitMs)
const hung = inThread ? `after ${giveUp} its own heartbeat gives it up` : 'so does it'
const taken = port === settings.port || settings.port === 0 ? '' : ` (${settings.port} is taken)`
console.log(`
  Open http://127.0.0.1:${port}/${taken}

  Make the leader busy: ${busy}.
  Freeze or kill the leader: another instance leads a few seconds later, with a higher token.
  Hang the leader: ${hung}.

  Ctrl-C ends everything.
`)
