import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { describe, test } from 'node:test'

import { startLauncher } from '../support/launcher.ts'
import { until } from '../support/until.ts'

const script = new URL('../../examples/launcher/launcher.ts', import.meta.url).pathname

describe('the launcher of the demonstration', { concurrency: 2 }, () => {
  test('Ctrl-C ends all with status 0, also where instances are busy, hung or frozen', async (t) => {
    const launcher = await startLauncher(t, '--port', '0')
    for (const [name, action] of Object.entries({ A: 'busy', B: 'hang', C: 'freeze' })) {
      assert.equal((await launcher.press(action, name)).status, 200)
    }
    await launcher.data('all are blocked', ({ instances }) =>
      ['busy', 'hung', 'frozen'].every((state, index) => instances[index]?.state === state),
    )
    // Three instances, and what would clear up after the launcher.
    assert.equal(launcher.processes().length, 4)
    launcher.signalGroup('SIGINT')
    assert.equal(await launcher.exited, 0, launcher.output)
    await launcher.nothingLeft()
    // What it wrote last may still be on its way when it has ended.
    await until('its last words', () => launcher.output.includes('All is clean'))
  })

  test('wrong flags are an error that names them, with status 2; --help is none', async () => {
    const wrong: [flags: string[], says: RegExp][] = [
      [['--prot', '4646'], /--prot/],
      [['--port', 'x'], /--port to be a whole number from 0 to 65535; got x/],
      [['--heartbeat-in', 'worker'], /--heartbeat-in to be thread or main; got worker/],
      [['--store', 'mysql://nowhere'], /`store` to be a URL that begins with sqlite:/],
      [['--store', 'memory:x'], /--store to be shared by processes; got memory:/],
      [['--busy', 'long'], /`--busy` to be a duration.*"long"/],
      [['--stall-limit', '3s'], /--stall-limit to be at least the ttl of 6 s/],
      [['--busy', '1m'], /longer than --busy, 60 s; got 40 s/],
    ]
    await Promise.all(
      wrong.map(async ([flags, says]) => {
        const { code, stderr } = await launch(flags)
        assert.equal(code, 2)
        assert.match(stderr, says)
      }),
    )
    const { code, stdout } = await launch(['--help'])
    assert.equal(code, 0)
    assert.match(stdout, /npm start -- --heartbeat-in main/)
  })
})

function launch(flags: string[]): Promise<{ code: unknown; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [script, ...flags], (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr })
    })
  })
}
