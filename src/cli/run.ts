import { createSystemClock } from '../clock.ts'
import { sharedTenureOf } from './connect.ts'
import { flagsWith, UsageError, workFlags, type Flags } from './flags.ts'
import { CommandKeeper } from './run/command-keeper.ts'
import type { Subcommand } from './subcommand.ts'
import { Voice } from './voice.ts'

/** They end the command: as a terminal does, the whole group is told. */
const endingSignals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const
/** They mean something to the command alone: a child that does not expect them would die. */
const handedOnSignals = ['SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const

/** `tenure run`. */
export const runSubcommand: Subcommand = {
  name: 'run',
  summary: 'runs a command, but only while this instance leads',
  synopsis: '[flags] -- COMMAND [ARGUMENT ...]',
  takesCommand: true,
  about: `
Waits until this instance leads, starts COMMAND, and gives the lease up when it has ended. Start
it on as many machines as you like: the command runs on one of them.

The command gets TENURE_FENCING_TOKEN, TENURE_LEASE and TENURE_HOLDER in its environment; stdin,
stdout and stderr are its own. What \`tenure run\` says goes to stderr, and begins with "tenure:".

If the lease is lost, the command and all its children (its process group) get SIGTERM, and
SIGKILL before another instance can lead. Children that leave the group (setsid) are not reached.
SIGINT, SIGTERM, SIGHUP and SIGQUIT are handed on to the group, which then has --drain to end;
SIGUSR1, SIGUSR2 and SIGWINCH are handed on to the command alone. What the command leaves running
when it ends is killed before the lease is released.`,
  flags: flagsWith(...workFlags, {
    name: 'restart',
    about:
      'contends again after the command has ended (after 1 s; up to 60 s where it keeps failing) ' +
      'or the lease was lost',
  }),
  exitCodes: [
    ['N', "the command's own; 128 + the signal's number if it died of one"],
    ['1', 'the lease was lost, and the command stopped; or something else failed'],
    ['126, 127', 'the command cannot be run; there is no such command'],
    ['128 + N', 'ended by signal N while waiting to lead'],
  ],
  examples: [
    ['tenure run -- node worker.js', 'on two machines: one works, one waits'],
    ['tenure run --restart -- ./poll.sh', 'for ever, on one at a time'],
    ['tenure run --lease backup --store postgres://db/app -- backup.sh', 'a lease of its own'],
  ],

  async run(flags: Flags, command: readonly string[]): Promise<number> {
    if (process.platform === 'win32') {
      throw new Error('Expected a system with process groups, such as Linux or macOS; got Windows.')
    }
    if (command.length === 0) {
      throw new UsageError(
        "Expected a command after --, such as 'tenure run -- date'; got nothing.",
      )
    }
    const clock = createSystemClock()
    const voice: Voice = new Voice({
      json: flags.has('json'),
      clock,
      level: 'warn',
      // A command is no application, and has no package.json.
      silent: ['lease_lost', 'application_unknown'],
      hear: sayOnceWhoLeads((text, fields) => voice.say('waiting', text, fields)),
    })
    const keeper = new CommandKeeper({
      tenure: sharedTenureOf(flags, voice),
      command,
      restart: flags.has('restart'),
      voice,
      clock,
    })
    for (const signal of endingSignals) process.on(signal, () => keeper.end(signal))
    for (const signal of handedOnSignals) process.on(signal, () => keeper.handOn(signal))
    process.on('SIGTSTP', () => {
      voice.say('not_paused', 'not paused: a leader that stands still loses the lease', {}, 'warn')
    })
    return keeper.run()
  },
}

/** Tells whom this instance waits for, once until it has led itself. */
function sayOnceWhoLeads(
  say: (text: string, fields: Readonly<Record<string, unknown>>) => void,
): (event: string, fields: Readonly<Record<string, unknown>>) => void {
  let told = false
  return (event, { holder, token }) => {
    if (event === 'lease_acquired') told = false
    if (event !== 'lease_held' || told) return
    told = true
    const place = String(holder).split(':').slice(0, -1).join(':')
    say(`waiting: ${place} leads with fencing token ${String(token)}`, { holder, token })
  }
}
