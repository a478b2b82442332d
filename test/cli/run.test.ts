import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'

import { callCli, cliPath, flagsFor, startCli, type Cli } from '../support/cli.ts'
import { until } from '../support/until.ts'
import { atEnd, ownFolder } from '../support/fastify-app.ts'
import { processState } from '../support/launcher.ts'
import { missing } from '../support/programs.ts'
import { createStoreUnderTest, observe } from '../support/store-under-test.ts'
import { startInTerminal } from '../support/terminal.ts'
import { createWriterLog, readWriterLog, writerCommand } from '../support/writer-log.ts'

/** A store of the test's own, with the flags to use it. */
async function ownStore(
  t: TestContext,
): Promise<{ flags: string[]; status: ReturnType<typeof observe> }> {
  const store = await createStoreUnderTest(t, 'SQLite')
  return { flags: flagsFor(store.url), status: observe(t, store) }
}

/** Starts a shell script as the command of `tenure run`. */
function startScript(t: TestContext, flags: readonly string[], script: string): Cli {
  return startCli(t, ['run', ...flags, '--', 'sh', '-c', script])
}

const untilPrinted = (cli: Cli, text: string): Promise<unknown> =>
  until(`"${text}" is printed`, () => cli.stdout.includes(text) || (cli.hasExited && cli.stderr))

const untilEnded = (pid: number): Promise<unknown> =>
  until(`process ${pid} has ended`, () => processState(pid) === undefined)

describe('tenure run', { concurrency: 3 }, () => {
  test('hands on output and exit code; what it says itself goes to stderr, marked', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const script = 'echo to stdout; echo to stderr >&2; exit 3'
    const args = ['run', '--store', url, '--', 'sh', '-c', script]
    const { code, stdout, stderr } = await callCli(t, args)
    assert.equal(code, 3)
    assert.equal(stdout, 'to stdout\n')
    const [own, others] = [true, false].map((isOwn) =>
      stderr.split('\n').filter((line) => line !== '' && line.startsWith('tenure: ') === isOwn),
    )
    assert.deepEqual(others, ['to stderr'])
    assert.match(own?.join('\n') ?? '', /leading with fencing token 1; started sh \(process \d+\)/)
    assert.match(own?.join('\n') ?? '', /the command has ended with code 3/)
  })

  test('a command that dies of a signal gives 128 and its number, as in a shell', async (t) => {
    const { flags } = await ownStore(t)
    const { code } = await callCli(t, ['run', ...flags, '--', 'sh', '-c', 'kill -KILL $$'])
    assert.equal(code, 137)
  })

  test('one that does not exist gives 127, one that cannot be run 126; the lease is free', async (t) => {
    const { flags, status } = await ownStore(t)
    const missing = await callCli(t, ['run', ...flags, '--', 'no-such-command'])
    assert.equal(missing.code, 127)
    assert.match(missing.stderr, /cannot start .*no-such-command.*: there is no such command/)
    const folder = await callCli(t, ['run', ...flags, '--restart', '--', ownFolder(t)])
    assert.equal(folder.code, 126)
    assert.equal((await status()).lease, undefined)
  })

  test('the command learns its fencing token, its lease and its holder', async (t) => {
    const { flags, status } = await ownStore(t)
    const script = 'echo "$TENURE_FENCING_TOKEN $TENURE_LEASE $TENURE_HOLDER"'
    for (const token of [1, 2]) {
      const { stdout } = await callCli(t, ['run', ...flags, '--', 'sh', '-c', script])
      const { terms } = await status()
      assert.equal(stdout, `${token} scheduler ${terms[0]?.holder}\n`)
      assert.equal(terms[0]?.reason, 'stopped')
    }
  })

  test('stdin is piped through, whole', async (t) => {
    const { flags } = await ownStore(t)
    const input = 'all work and no play\n'.repeat(50_000)
    const { code, stdout } = await callCli(t, ['run', ...flags, '--', 'cat'], { input })
    assert.equal(code, 0)
    assert.equal(stdout, input)
  })

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const) {
    test(`${signal} is handed on to the command and its children, which may end in peace`, async (t) => {
      const { flags, status } = await ownStore(t)
      const name = signal.slice(3)
      // The child is no background process: those of a shell ignore SIGINT and SIGQUIT. And it
      // waits in a loop, because a shell lets a long sleep end before it looks at its traps.
      const child = `trap "echo child got ${name}; exit 0" ${name}; echo waits; while :; do sleep 0.05; done`
      const cli = startScript(t, flags, `trap "echo got ${name}; exit 9" ${name}; sh -c '${child}'`)
      await untilPrinted(cli, 'waits\n')
      cli.process.kill(signal)
      assert.equal(await cli.exit(), 9)
      assert.equal(cli.stdout, `waits\nchild got ${name}\ngot ${name}\n`)
      const { lease, terms } = await status()
      assert.equal(lease, undefined)
      assert.equal(terms[0]?.reason, 'stopped')
    })
  }

  test('SIGUSR1 and SIGUSR2 reach the command alone: children that do not expect them live', async (t) => {
    const { flags } = await ownStore(t)
    const script =
      'sleep 600 & trap "echo one" USR1; trap "echo two; kill -0 $! && exit 5" USR2; ' +
      'echo waits; while :; do sleep 0.05; done'
    const cli = startScript(t, flags, script)
    await untilPrinted(cli, 'waits')
    cli.process.kill('SIGUSR1')
    await untilPrinted(cli, 'one')
    cli.process.kill('SIGUSR2')
    assert.equal(await cli.exit(), 5)
  })

  test('after SIGTERM a command that ignores it is killed when the drain is over, in one term', async (t) => {
    const { flags, status } = await ownStore(t)
    const log = createWriterLog(t)
    const args = ['run', ...flags, '--drain', '3s', '--', ...writerCommand(log, 'stubborn')]
    const cli = startCli(t, args)
    await until('three levels write', () =>
      [0, 1, 2].every((depth) => readWriterLog(log).some((line) => line.depth === depth)),
    )
    cli.process.kill('SIGTERM')
    const { killInMs } = await cli.said('command_stopping')
    assert.ok(Number(killInMs) > 0 && Number(killInMs) <= 3_000, String(killInMs))
    assert.equal(await cli.exit(), 137)
    const pids = new Set(readWriterLog(log).map(({ pid }) => pid))
    assert.equal(pids.size, 3)
    for (const pid of pids) assert.equal(processState(pid), undefined)
    const { terms } = await status()
    assert.equal(terms.length, 1)
    assert.equal(terms[0]?.reason, 'stopped')
  })

  test('what a command leaves running is killed before the lease is released', async (t) => {
    const { flags, status } = await ownStore(t)
    const log = createWriterLog(t)
    const writer = writerCommand(log, 'stubborn').join(' ')
    const first = startScript(t, flags, `${writer} & while ! [ -s ${log} ]; do sleep 0.02; done`)
    assert.equal(await first.exit(), 0)
    const left = readWriterLog(log)
    assert.ok(left.length > 0)
    for (const { pid } of left) assert.equal(processState(pid), undefined)
    assert.equal((await status()).lease, undefined)
  })

  test('a candidate says once who leads, and SIGTERM ends it as it would end a command', async (t) => {
    const { flags, status } = await ownStore(t)
    const leader = startScript(t, flags, 'sleep 600')
    await leader.said('command_started')
    const waiting = startScript(t, flags, 'echo never')
    const line = await waiting.said('waiting')
    assert.equal(line['token'], 1)
    assert.match(String(line['text']), new RegExp(`waiting: .*:${leader.pid} leads`))
    await until('it was refused again, when a ttl had passed', async () => {
      return ((await status()).lease?.renewals ?? 0) >= 4
    })
    waiting.process.kill('SIGTERM')
    assert.equal(await waiting.exit(), 143)
    assert.equal(waiting.stdout, '')
    assert.equal(waiting.lines.filter(({ msg }) => msg === 'waiting').length, 1)
  })

  test('a lease that is lost stops the command, and gives 1 with the reason', async (t) => {
    const store = await createStoreUnderTest(t, 'SQLite')
    const cli = startScript(t, flagsFor(store.url), 'sleep 600')
    const { pid } = await cli.said('command_started')
    await store.deleteLease()
    assert.equal(await cli.exit(), 1)
    assert.equal((await cli.said('term_lost'))['reason'], 'stolen')
    await untilEnded(Number(pid))
  })

  test('with --restart it contends again after a loss, and after being asked to resign', async (t) => {
    const store = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(store.url)
    const cli = startScript(t, [...flags, '--restart'], 'echo $TENURE_FENCING_TOKEN; sleep 600')
    await untilPrinted(cli, '1\n')
    await store.deleteLease()
    await untilPrinted(cli, '2\n')
    assert.equal((await cli.said('term_lost'))['reason'], 'stolen')
    const asked = await callCli(t, ['resign', ...flags, '--cool-down', '0s'])
    assert.equal(asked.code, 0, asked.stderr)
    await untilPrinted(cli, '3\n')
    assert.equal((await cli.said('term_lost', 1))['reason'], 'resigned')
    cli.process.kill('SIGINT')
    assert.equal(await cli.exit(), 130)
  })

  test('with --restart a command that fails is started again ever later; one that succeeds is not punished', async (t) => {
    const { flags } = await ownStore(t)
    const count = join(ownFolder(t), 'count')
    const script = `echo x >> ${count}; [ $(wc -l < ${count}) -eq 3 ]`
    const cli = startScript(t, [...flags, '--restart'], script)
    await cli.said('contending_again', 3)
    const waits = cli.lines.filter(({ msg }) => msg === 'contending_again')
    assert.deepEqual(
      waits.slice(0, 4).map((line) => line['inMs']),
      [1_000, 2_000, 1_000, 1_000],
    )
    const tokens = cli.lines
      .filter(({ msg }) => msg === 'command_started')
      .map((line) => line['token'])
    assert.deepEqual(tokens.slice(0, 4), [1, 2, 3, 4])
    cli.process.kill('SIGTERM')
    assert.equal(await cli.exit(), 143)
  })

  test('if it is killed itself, its command and all children end, and then the lease is released', async (t) => {
    const { flags, status } = await ownStore(t)
    const log = createWriterLog(t)
    // The default times: also where the machine is busy, the release comes before the expiry.
    const storeFlags = flags.slice(0, 2)
    const args = ['run', ...storeFlags, '--json', '--', ...writerCommand(log, 'stubborn')]
    const cli = startCli(t, args)
    await until('three levels write', () =>
      [0, 1, 2].every((depth) => readWriterLog(log).some((line) => line.depth === depth)),
    )
    // Before that its group is not known to the witness, and the lease has to expire.
    await cli.said('command_started')
    cli.process.kill('SIGKILL')
    // A lease that has expired is still shown.
    await until('the lease is released', async () => (await status()).lease === undefined)
    const left = readWriterLog(log).filter(({ pid }) => processState(pid) !== undefined)
    assert.deepEqual(left, [])
    const { terms } = await status()
    assert.equal(terms[0]?.reason, 'crashed')
  })

  const noNamespace = spawnSync('unshare', ['--pid', '--fork', 'true']).status !== 0
  const skip = noNamespace && 'this process may not make a process namespace (unshare)'
  test(
    'as the first process of a container, where nobody asks for what has ended, it ends',
    { skip },
    async (t) => {
      const { flags } = await ownStore(t)
      const script = 'sleep 600 & sleep 600 & exit 4'
      const own = [process.execPath, cliPath, 'run', ...flags, '--', 'sh', '-c', script]
      const container = spawn('unshare', [
        '--pid',
        '--fork',
        '--mount-proc',
        '--kill-child',
        ...own,
      ])
      atEnd(t, () => container.kill('SIGKILL'))
      await until('it has ended', () => container.exitCode !== null, 60_000)
      assert.equal(container.exitCode, 4)
    },
  )

  test('if it is killed in the moment between starting the command and saying so, the command ends', async () => {
    const guardPath = new URL('../../src/cli/run/group-guard.ts', import.meta.url).href
    const dies = `
      import { spawn } from 'node:child_process'
      const { GroupGuard } = await import('${guardPath}')
      new GroupGuard('host:1:' + process.pid, () => {})
      const env = { ...process.env, TENURE_HOLDER: 'host:1:' + process.pid }
      const command = spawn('sh', ['-c', 'sleep 600; :'], { env, detached: true })
      process.stdout.write(String(command.pid), () => process.kill(process.pid, 'SIGKILL'))`
    const args = ['--input-type=module', '-e', dies]
    const { stdout, signal } = spawnSync(process.execPath, args, { encoding: 'utf8' })
    assert.equal(signal, 'SIGKILL')
    const pid = Number(stdout)
    assert.ok(pid > 0)
    await untilEnded(pid)
  })

  test(
    'in a terminal the command reads the keys, Ctrl-C reaches it, and Ctrl-Z stops nothing',
    { skip: missing('script') },
    async (t) => {
      const { flags } = await ownStore(t)
      const script =
        'read line; echo "read $line"; trap "echo got INT; exit 6" INT; echo waits; while :; do sleep 0.05; done'
      const terminal = startInTerminal(t, ['run', ...flags, '--', 'sh', '-c', script])
      const shown = (text: string): Promise<unknown> =>
        until(`"${text}" in ${terminal.output}`, () => terminal.output.includes(text))
      await shown('command_started')
      terminal.type('some words\r')
      await shown('read some words')
      await shown('waits')
      terminal.type('\u001A')
      await shown('not_paused')
      terminal.type('\u0003')
      assert.equal(await terminal.exit(), 6)
      assert.ok(terminal.output.includes('got INT'))
    },
  )

  test('a store that cannot be used is told, and waited for', async (t) => {
    const store = `sqlite:${ownFolder(t)}/missing/tenure.db`
    const cli = startScript(t, flagsFor(store), 'echo never')
    const line = await cli.said('lease_acquire_failed')
    assert.match(String(line['message']), /the folder does not exist/)
    cli.process.kill('SIGTERM')
    assert.equal(await cli.exit(), 143)
    assert.equal(existsSync(store.slice('sqlite:'.length)), false)
  })
})
