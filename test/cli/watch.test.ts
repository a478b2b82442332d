import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmdirSync } from 'node:fs'
import { describe, test } from 'node:test'

import { callCli, flagsFor, linesOf, startCli } from '../support/cli.ts'
import { nowMs, until } from '../support/until.ts'
import { missing } from '../support/programs.ts'
import { createStoreUnderTest } from '../support/store-under-test.ts'
import { startInTerminal } from '../support/terminal.ts'

const enterScreen = '\u001B[?1049h\u001B[?25l'
const leaveScreen = '\u001B[?25h\u001B[?1049l'

/** Whether anything in a text is coloured. */
const isColoured = (text: string): boolean =>
  ['32', '33', '36'].some((colour) => text.includes(`\u001B[${colour}m`))

describe('tenure watch in a terminal', { concurrency: 3, skip: missing('script') }, () => {
  test('shows who leads, the last heartbeat, what remains and the history; q gives the terminal back', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(url)
    const begunMs = nowMs()
    // Where CI is set, Node.js takes every terminal for one without colours.
    const env = { FORCE_COLOR: '1', TERM: 'xterm-256color' }
    const watch = startInTerminal(t, ['watch', '--store', url], { env }, 'stty -a')
    await watch.shows(/○ nobody leads/)
    const first = startCli(t, ['run', ...flags, '--label', 'web-1', '--', 'sleep', '600'])
    await watch.shows(/● web-1 leads with fencing token 1/)
    await watch.shows(/heartbeat +\d\.\d s ago/)
    await watch.shows(/remaining +━+.* \d\.\d s of 6\.0 s/)
    await watch.shows(/^ web-1 .*●$/m)
    await watch.shows(/TOKEN {2}LEADER .* BEGAN +LASTED {2}END\n +1 {2}web-1 .* leads/)
    const second = startCli(t, ['run', ...flags, '--label', 'web-2', '--', 'sleep', '600'])
    await second.said('waiting')
    await callCli(t, ['resign', ...flags])
    await watch.shows(/● web-2 leads with fencing token 2/)
    await watch.shows(/ 1 {2}web-1 .* resigned/)
    await first.exit()
    // However slow the machine, it is not drawn more often.
    const seconds = (nowMs() - begunMs) / 1_000
    assert.ok(watch.drawings <= seconds + 1, `${watch.drawings} drawings in ${seconds} s`)

    assert.ok(watch.output.includes(enterScreen))
    assert.ok(isColoured(watch.output))
    for (const line of watch.screen) assert.ok(line.length < 100, line)
    watch.type('q')
    assert.equal(await watch.exit(), 0)
    assert.ok(watch.output.includes(leaveScreen), 'what was there before is there again')
    assert.match(watch.output, / icanon/)
    assert.match(watch.output, / echo /)
  })

  test('Ctrl-C ends it; NO_COLOR leaves the colours out', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const env = { NO_COLOR: '1' }
    const watch = startInTerminal(t, ['watch', '--store', url], { env })
    await watch.shows(/○ nobody leads/)
    watch.type('\u0003')
    assert.equal(await watch.exit(), 0)
    assert.ok(!isColoured(watch.output))
    assert.ok(watch.output.includes(leaveScreen))
  })

  test('a store that cannot be read is told, with what was seen last, and found again', async (t) => {
    const { url, path } = await createStoreUnderTest(t, 'SQLite')
    const leader = startCli(t, ['run', ...flagsFor(url), '--label', 'web-1', '--', 'sleep', '600'])
    await leader.said('command_started')
    const watch = startInTerminal(t, ['watch', '--store', url])
    await watch.shows(/● web-1 leads/)
    renameSync(path, `${path}.away`)
    mkdirSync(path)
    await watch.shows(/the store cannot be read, for \d\.\d s: .*Expected a SQLite database/)
    await watch.shows(/what follows is what was seen last/)
    await watch.shows(/● web-1 leads/)
    rmdirSync(path)
    renameSync(`${path}.away`, path)
    await until('it is found again', () => !watch.screen.join('\n').includes('cannot be read'))
    watch.type('q')
    assert.equal(await watch.exit(), 0)
  })
})

describe('tenure watch without a terminal', { concurrency: 2 }, () => {
  test('prints a line for each change, with times, and ends at SIGTERM', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(url)
    const watch = startCli(t, ['watch', '--store', url])
    const printed = (pattern: RegExp): Promise<unknown> =>
      until(`${String(pattern)} in ${watch.stdout}`, () => pattern.test(watch.stdout), 60_000)
    await printed(/^\d\d:\d\d:\d\d {2}nobody leads, and nobody has ever led$/m)
    const leader = startCli(t, ['run', ...flags, '--label', 'web-1', '--', 'sleep', '600'])
    await printed(/^\d\d:\d\d:\d\d {2}web-1 \(\S+\) leads with fencing token 1$/m)
    await callCli(t, ['resign', ...flags])
    await printed(/the term of web-1 \(\S+\) with fencing token 1 is over: resigned$/m)
    await leader.exit()
    watch.process.kill('SIGTERM')
    assert.equal(await watch.exit(), 0)
    assert.ok(!watch.stdout.includes('\u001B'))
  })

  test('with --json prints objects; when nobody reads any more it ends', async (t) => {
    const { url } = await createStoreUnderTest(t, 'SQLite')
    const flags = flagsFor(url)
    await callCli(t, ['run', ...flags, '--', 'true'])
    const watch = startCli(t, ['watch', '--store', url, '--json'])
    await until('it has begun', () => linesOf(watch.stdout).length > 0, 60_000)
    watch.process.stdout?.destroy()
    for (let tries = 0; !watch.hasExited && tries < 20; tries++) {
      await callCli(t, ['run', ...flags, '--', 'sleep', '1'])
    }
    assert.equal(await watch.exit(), 0)
    const [first] = linesOf(watch.stdout)
    assert.equal(first?.msg, 'nobody_leads')
    assert.equal(first?.['lastToken'], 1)
    assert.equal(typeof first?.['time'], 'number')
  })
})
