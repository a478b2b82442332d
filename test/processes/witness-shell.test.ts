// The shell that waits, and what it runs then: by every shell of this machine.
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeSync } from 'node:fs'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

import { encode, heldLine, WitnessPipe, type Held } from '../../src/heart/witness-pipe.ts'
import { witnessScript } from '../../src/heart/witness.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'
import { atEnd } from '../support/fastify-app.ts'
import { createTestStore } from '../support/test-store.ts'
import { until } from '../support/until.ts'
import { descendantsOf, endWitness, isRunning, shownOf } from '../support/witness.ts'

const shells = [
  ['/bin/sh'],
  ['/usr/bin/dash'],
  ['/usr/bin/bash', '--posix'],
  ['/usr/bin/busybox', 'sh'],
].filter(([path = '']) => existsSync(path))

const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2', 'SIGTSTP'] as const

/** A shell that waits, with its two pipes. */
class Waiting {
  readonly child: ChildProcess
  readonly ended: Promise<unknown>

  constructor(t: TestContext, shell: readonly string[], command: readonly string[], cwd?: string) {
    const [path = '', ...flags] = shell
    const args = [...flags, '-c', witnessScript, 'tenure-witness', ...command]
    this.child = spawn(path, args, { stdio: ['pipe', 'ignore', 'ignore', 'pipe'], cwd })
    this.ended = once(this.child, 'exit')
    atEnd(t, () => endWitness(this.pid))
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  config(word: string): void {
    ;(this.child.stdio[3] as Socket).end(`${word}\n`)
  }

  tell(text: string): void {
    this.child.stdin?.write(text)
  }

  /** Ends its pipe, and waits until it has done its work. */
  async end(): Promise<void> {
    this.child.stdin?.end()
    await this.ended
  }
}

/** A folder of the test's own. */
function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'tenure-shell-'))
  atEnd(t, () => rmSync(folder, { recursive: true }))
  return folder
}

for (const shell of shells) {
  describe(`the waiting shell, ${shell.join(' ')}`, () => {
    /** A command that writes what it is given to a file. */
    function recorder(t: TestContext, then = ''): { command: string[]; written: () => string } {
      const path = join(folderOf(t), 'written')
      const command = ['/bin/sh', '-c', `cat >> "$1"; ${then}`, 'recorder', path]
      return { command, written: () => (existsSync(path) ? readFileSync(path, 'utf8') : '') }
    }

    test('hands over its config and the newest whole line', async (t) => {
      const { command, written } = recorder(t)
      const waiting = new Waiting(t, shell, command)
      waiting.config('config-word')
      waiting.tell('held first\nheld second==\nother line\nheld third')
      await waiting.end()
      assert.equal(written(), 'config-word\nheld second==\n')
    })

    test('takes lines that come before its config, and a config of 100,000 letters', async (t) => {
      const { command, written } = recorder(t)
      const waiting = new Waiting(t, shell, command)
      waiting.tell('held it\n')
      const config = 'x'.repeat(100_000)
      waiting.config(config)
      await waiting.end()
      assert.equal(written(), `${config}\nheld it\n`)
    })

    test('runs nothing where nothing is held, was told, or is known', async (t) => {
      for (const text of ['', 'held first\nheld\n', 'held half', undefined]) {
        const { command, written } = recorder(t)
        const waiting = new Waiting(t, shell, command)
        if (text === undefined) (waiting.child.stdio[3] as Socket).destroy()
        else waiting.config('config-word')
        waiting.tell(text ?? 'held first\n')
        await waiting.end()
        assert.equal(written(), '')
      }
    })

    test('runs it again if it was killed, three times at most', async (t) => {
      const killed = recorder(t, 'kill -s KILL $$')
      const waiting = new Waiting(t, shell, killed.command)
      waiting.config('c')
      waiting.tell('held it\n')
      await waiting.end()
      assert.equal(killed.written(), 'c\nheld it\n'.repeat(3))
    })

    test('ignores what is meant for others', async (t) => {
      const { command, written } = recorder(t)
      const waiting = new Waiting(t, shell, command)
      waiting.config('c')
      waiting.tell('held it\n')
      // It has set its traps once it has read the config: the pipe is closed then.
      await until('it waits', () => !existsSync(`/proc/${waiting.pid}/fd/3`))
      for (const signal of signals) waiting.child.kill(signal)
      waiting.tell('held that\n')
      await waiting.end()
      assert.equal(written(), 'c\nheld that\n')
    })

    test('runs nothing while a group was being started, which may go on unseen', async (t) => {
      const { command, written } = recorder(t)
      const waiting = new Waiting(t, shell, command)
      waiting.config('c')
      waiting.tell('held it\ngroup ?\n')
      await waiting.end()
      assert.equal(written(), '')
    })

    test('ends without a word when it is told that its process needs it no more', async (t) => {
      const { command, written } = recorder(t)
      const waiting = new Waiting(t, shell, command)
      waiting.config('c')
      waiting.tell('held it\n')
      waiting.tell('quit\n')
      await until('it has ended', () => !isRunning(waiting.pid))
      assert.equal(written(), '')
    })

    test('hands over which group it was to end, as one may be of a user that it may not end', async (t) => {
      const { command, written } = recorder(t)
      const waiting = new Waiting(t, shell, command)
      waiting.config('c')
      // Beyond the largest process id that Linux gives (proc(5), pid_max).
      waiting.tell(`held it\ngroup ${2 ** 22 + 1}\n`)
      await waiting.end()
      assert.equal(written(), `c\ngroup ${2 ** 22 + 1}\nheld it\n`)
    })

    test('begins Node.js in a folder that is there, though its own was deleted', async (t) => {
      const folder = folderOf(t)
      const path = join(folder, 'written')
      const command = ['/bin/sh', '-c', 'cat > /dev/null; cd .. && pwd > "$1"', 'recorder', path]
      const gone = join(folder, 'gone')
      mkdirSync(gone)
      const waiting = new Waiting(t, shell, command, gone)
      waiting.config('c')
      waiting.tell('held it\n')
      await until('it waits', () => !existsSync(`/proc/${waiting.pid}/fd/3`))
      rmSync(gone, { recursive: true })
      await waiting.end()
      assert.equal(readFileSync(path, 'utf8'), '/\n')
    })

    test('ends the process group that it was told last, and none else', async (t) => {
      const sleepers = [0, 1, 2].map(() => spawn('/bin/sleep', ['600'], { detached: true }))
      const pids = sleepers.map(({ pid = 0 }) => pid)
      atEnd(t, () => {
        for (const sleeper of sleepers) sleeper.kill('SIGKILL')
      })
      const [first = 0, second = 0, third = 0] = pids
      for (const [text, ends] of [
        [`group ${first}\ngroup\n`, undefined],
        ['group 1\n', undefined],
        ['group 0\n', undefined],
        [`group x${first}\n`, undefined],
        [`group ${first}\ngroup ${second}\ngroup ${third}`, second],
      ] as const) {
        const waiting = new Waiting(t, shell, ['/bin/false'])
        waiting.config('c')
        waiting.tell(text)
        await waiting.end()
        if (ends !== undefined) await until('it has ended', () => !isRunning(ends))
        assert.deepEqual(
          pids.filter((pid) => !isRunning(pid)),
          ends === undefined ? [] : [ends],
        )
      }
    })
  })
}

describe('what the shell runs', { concurrency: 3 }, () => {
  const script = fileURLToPath(new URL('../../src/heart/tenure-witness.ts', import.meta.url))
  const request = { lease: 'scheduler', application: 'a', label: undefined, observed: undefined }
  const ttlMs = 4_000
  const signal = new AbortController().signal

  /** Acquires a lease, tells a witness of it, and ends the pipe as if `pid` had died. */
  async function endPipeOf(t: TestContext, pid: number, token: number | undefined) {
    const store = await createTestStore('SQLite')
    const client = store.open()
    atEnd(t, async () => {
      await client.close()
      await store.end()
    })
    const held: Held = { holder: 'host:1:holder', token, ttlMs }
    // The lease itself lasts for longer than the witness tries.
    await client.tryAcquire({ ...request, ttlMs: 60_000, holder: held.holder }, signal)
    const waiting = new Waiting(t, ['/bin/sh'], [process.execPath, script])
    const location = parseStoreUrl(store.url)
    waiting.config(encode({ pid, lease: 'scheduler', store: location, environment: {} }))
    waiting.tell(`${heldLine(held)}\n`)
    return { client, waiting }
  }

  for (const token of [1, undefined]) {
    test(`releases what a process that has ended held, with the token ${token}`, async (t) => {
      const ended = spawn('/bin/true')
      await once(ended, 'exit')
      const { client, waiting } = await endPipeOf(t, ended.pid ?? 0, token)
      await waiting.end()
      const { record, terms } = await client.read('scheduler', signal)
      assert.equal(record, undefined)
      assert.equal(terms[0]?.reason, 'crashed')
    })
  }

  test('releases nothing of a process that lives, though its pipe has ended, and ends by itself', async (t) => {
    const { client, waiting } = await endPipeOf(t, process.pid, 1)
    await waiting.end()
    const { record } = await client.read('scheduler', signal)
    assert.equal(record?.holder, 'host:1:holder')
  })

  test('releases though it is told to end, as by systemd, at any moment', async (t) => {
    const ended = spawn('/bin/true')
    await once(ended, 'exit')
    const { client, waiting } = await endPipeOf(t, ended.pid ?? 0, 1)
    const done = waiting.end()
    const program = await until('Node.js runs', () =>
      descendantsOf(waiting.pid).find((pid) => shownOf(pid).startsWith(process.execPath)),
    )
    process.kill(program, 'SIGTERM')
    await done
    assert.equal((await client.read('scheduler', signal)).record, undefined)
  })
})

describe('the pipe to a shell that was stopped', () => {
  test('takes what fits, never waits, and tells the newest line when the shell goes on', async (t) => {
    const path = join(folderOf(t), 'written')
    const args = ['-c', 'while read -r line; do last=$line; done; echo "$last" > "$1"', 'x', path]
    const child = spawn('/bin/sh', args, { stdio: ['pipe', 'ignore', 'ignore'] })
    const ended = once(child, 'exit')
    atEnd(t, () => void child.kill('SIGKILL'))
    child.kill('SIGSTOP')
    const { fd } = (child.stdin as unknown as { _handle: { fd: number } })._handle
    const newest = 'line 4999\n'
    let written = ''
    let refusals = 0
    const pipe = new WitnessPipe((to, data) => {
      refusals++
      const length = writeSync(to, data)
      refusals--
      written = String(data)
      return length
    })
    pipe.open(fd)
    for (let line = 0; line < 5_000; line++) pipe.tell(`line ${line}`)
    assert.ok(refusals > 0 && written !== newest, 'it was full')
    child.kill('SIGCONT')
    await until('the newest line is written', () => {
      pipe.flush()
      return written === newest
    })
    child.stdin?.end()
    await ended
    assert.equal(readFileSync(path, 'utf8'), newest)
  })
})
