import assert from 'node:assert/strict'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'

import { jobsSubcommand } from '../../src/cli/jobs.ts'
import { raiseTokenSubcommand } from '../../src/cli/raise-token.ts'
import { resignSubcommand } from '../../src/cli/resign.ts'
import { runSubcommand } from '../../src/cli/run.ts'
import { serveSubcommand } from '../../src/cli/serve.ts'
import { statusSubcommand } from '../../src/cli/status.ts'
import { variableOf } from '../../src/cli/flags.ts'
import { watchSubcommand } from '../../src/cli/watch.ts'
import { environmentNames } from '../../src/options.ts'
import { callCli } from '../support/cli.ts'
import { ownFolder } from '../support/fastify-app.ts'

const subcommands = [
  runSubcommand,
  serveSubcommand,
  jobsSubcommand,
  statusSubcommand,
  watchSubcommand,
  resignSubcommand,
  raiseTokenSubcommand,
]
const document = readFileSync(new URL('../../docs/command.md', import.meta.url), 'utf8')

/** The part of the document about one command. */
function chapterOf(name: string): string {
  const chapter = document.split(/^## /m).find((text) => text.startsWith(`\`tenure ${name}\``))
  assert.ok(chapter, `docs/command.md has a chapter about tenure ${name}`)
  return chapter
}

describe('tenure --help', { concurrency: 2 }, () => {
  test('names every command, the exit codes, and how to see the version', async (t) => {
    const { code, stdout, stderr } = await callCli(t, ['--help'])
    assert.equal(code, 0)
    assert.equal(stderr, '')
    const words = stdout.replaceAll(/\s+/g, ' ')
    for (const { name, summary } of subcommands) {
      assert.ok(words.includes(`tenure ${name} ${summary}`), name)
    }
    assert.match(stdout, /Exit codes: 0 done, 1 failed, 2 wrong usage/)
    const { version } = JSON.parse(
      readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    ) as { version: string }
    assert.equal((await callCli(t, ['--version'])).stdout, `${version}\n`)
  })

  for (const subcommand of subcommands) {
    const { name, flags, exitCodes } = subcommand
    test(`of ${name} teaches by examples, flags with defaults, and exit codes`, async (t) => {
      const { code, stdout } = await callCli(t, [name, '--help'])
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^Usage: tenure ${name} `))
      assert.match(stdout, new RegExp(`\nExamples:\n {2}tenure ${name}`))
      assert.match(stdout, /\n {2}--store URL +where the lease lives \(sqlite:\.\/tenure\.db\)/)
      for (const flag of flags) assert.ok(stdout.includes(`--${flag.name}`), flag.name)
      for (const [exitCode] of exitCodes) assert.ok(stdout.includes(`\n  ${exitCode} `), exitCode)
      for (const line of stdout.split('\n')) assert.ok(line.length <= 80, line)
      assert.equal((await callCli(t, [name, '-h'])).stdout, stdout)
    })

    test(`docs/command.md has the flags and exit codes of ${name}, and no others`, () => {
      const chapter = chapterOf(name)
      const common = document.split(/^## /m).find((text) => text.startsWith('Common flags')) ?? ''
      const rows = `${common}\n${chapter}`.matchAll(/^\| `--([a-z-]+)/gm)
      const documented = new Set([...rows].map(([, flag]) => flag))
      assert.deepEqual(documented, new Set(flags.map((flag) => flag.name)))
      const rowsOfCodes = chapter.matchAll(/^\| ([^|`-][^|]*?) \|/gm)
      const codes = new Set([...rowsOfCodes].map(([, cell]) => cell))
      for (const [exitCode] of exitCodes) assert.ok(codes.has(exitCode), exitCode)
    })
  }

  test('docs/command.md has everything that the command says with --json', () => {
    const folder = new URL('../../src/cli/', import.meta.url)
    const sources = globSync('**/*.ts', { cwd: folder.pathname }).map((path) =>
      readFileSync(new URL(path, folder), 'utf8'),
    )
    const said = [...sources.join('\n').matchAll(/\.say\(\s*'([a-z_]+)'/g)].map(([, msg]) => msg)
    const rows = new Set([...document.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, msg]) => msg))
    rows.delete('msg')
    assert.deepEqual(new Set(said), rows)
    const changes = sources.join('\n').matchAll(/event: '([a-z_]+)'/g)
    for (const [, event] of changes) assert.ok(document.includes(`\`${event}\``), event)
  })

  test('a flag that is an option of createTenure has the variable of that option', () => {
    const variables = new Set(Object.values(environmentNames))
    for (const { flags } of subcommands) {
      for (const flag of flags) {
        assert.equal(variables.has(variableOf(flag)), flag.variable ?? false, flag.name)
      }
    }
  })
})

describe('wrong usage', { concurrency: 2 }, () => {
  const wrong: readonly (readonly [args: string, says: RegExp])[] = [
    [
      '',
      /Expected a command out of \[run, serve, jobs, status, watch, resign, raise-token\]; got nothing/,
    ],
    ['stats', /Expected a command out of .*; got stats\. See tenure --help/],
    ['--foo', /Expected a command out of .*; got --foo/],
    ['status --foo', /one of the flags \[--store, .*\]; got --foo\. See tenure status --help/],
    ['status -x', /one of the flags .*; got -x/],
    ['status --ttl', /Expected --ttl to be followed by its DURATION; got nothing/],
    ['status --ttl --json', /Expected --ttl to be followed by its DURATION; got --json/],
    ['status --json=yes', /Expected --json without a value; got "yes"/],
    ['status --lease a --lease b', /Expected --lease once; got it more often/],
    ['status --ttl 20', /Expected `--ttl` to be a duration: .*; got "20" \(string\)/],
    ['status --ttl 6s', /Expected `heartbeat` to be at most `ttl` \/ 3.*; got heartbeat 5s/],
    ['status --store nosuch://x', /Expected `store` to be a URL that begins with/],
    ['status --store=', /Expected `store` to be a URL that begins with/],
    ['status --store memory:', /Expected --store to be one that other processes reach as well/],
    ['status now', /Expected tenure status \[flags\]; got now besides/],
    ['status --lease=', /Expected `lease` to be a text of 1 to 255 bytes/],
    ['run', /Expected a command after --, such as .*; got nothing/],
    ['run --', /Expected a command after --/],
    ['run sleep 5', /Expected tenure run \[flags\] -- COMMAND \[ARGUMENT ...\]; got sleep besides/],
    ['run --store memory:x -- date', /Expected --store to be one that other processes reach/],
    ['run --restart=3 -- date', /Expected --restart without a value; got "3"/],
    ['serve', /Expected a jobs file, or one out of \[tenure\.jobs\.ts, .*\] in this folder; got/],
    ['serve nosuch.ts', /Expected the jobs file to exist; got .*nosuch\.ts/],
    ['serve --port 70000 a.ts', /Expected --port to be a whole number from 0 to 65535; got 70000/],
    ['serve a.ts b.ts', /Expected tenure serve \[jobs-file\] \[flags\]; got b\.ts besides/],
    ['jobs', /Expected a jobs file, or one out of \[tenure\.jobs\.ts, .*\] in this folder; got/],
    ['jobs nosuch.ts', /Expected the jobs file to exist; got .*nosuch\.ts/],
    ['jobs a.ts b.ts', /Expected tenure jobs \[jobs-file\] \[flags\]; got b\.ts besides/],
    ['jobs --next 0', /Expected --next to be a whole number from 1 to 1000; got 0/],
    ['jobs --next 1001', /Expected --next to be a whole number from 1 to 1000; got 1001/],
    ['jobs --next ten', /Expected --next to be a whole number from 1 to 1000; got ten/],
    ['jobs --next', /Expected --next to be followed by its NUMBER; got nothing/],
    ['resign --wait soon', /Expected `--wait` to be a duration: .*; got "soon" \(string\)/],
    ['resign --cool-down 5', /Expected `--cool-down` to be a duration/],
  ]
  for (const [line, says] of wrong) {
    test(`"tenure ${line}" says what was expected and received, and exits with 2`, async (t) => {
      const cwd = ownFolder(t)
      const args = line === '' ? [] : line.split(' ')
      const { code, stdout, stderr } = await callCli(t, args, { cwd })
      assert.match(stderr, says)
      assert.equal(code, 2)
      assert.equal(stdout, '')
      assert.deepEqual(readdirSync(cwd), [])
    })
  }

  test('with --json it is said as JSON', async (t) => {
    const { code, stderr } = await callCli(t, ['status', '--json', '--foo'])
    assert.equal(code, 2)
    const line = JSON.parse(stderr) as { level: number; msg: string; text: string }
    assert.equal(line.msg, 'failed')
    assert.match(line.text, /got --foo/)
  })

  test('flags go over the environment, and the environment over the defaults', async (t) => {
    const cwd = ownFolder(t)
    const env = { TENURE_STORE: 'sqlite:./from-environment.db', TENURE_LEASE: 'nightly' }
    const both = await callCli(t, ['status', '--lease', 'hourly', '--json'], { cwd, env })
    const { store, lease } = JSON.parse(both.stdout) as Record<string, unknown>
    assert.equal(store, 'sqlite:./from-environment.db')
    assert.equal(lease, 'hourly')
    assert.equal(both.stderr, '', 'nothing was assumed')
    const neither = await callCli(t, ['status'], { cwd, env: { TENURE_STORE: '' } })
    assert.match(neither.stderr, /no --store and no TENURE_STORE: using sqlite:\.\/tenure\.db/)
    const wrongOne = await callCli(t, ['status'], { cwd, env: { TENURE_TTL: 'long' } })
    assert.equal(wrongOne.code, 2)
    assert.match(wrongOne.stderr, /TENURE_TTL/)
  })
})
