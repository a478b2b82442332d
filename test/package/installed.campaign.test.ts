// The package, packed and installed for real: wherever a Node.js developer puts it, it leads, runs
// a job in time, stops, and lets the process exit with nothing on stderr.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'

import {
  bin,
  createProject,
  nodeLeast,
  nodeOf,
  pack,
  run,
  succeed,
  type Ended,
} from '../support/packed.ts'
import { nowMs } from '../support/until.ts'

interface Manifest {
  readonly main: string
  readonly types: string
  readonly typesVersions: Record<'*', Record<string, string[]>>
  readonly exports: Record<string, { types: string; default: string }> & {
    readonly '.': { types: string; default: string }
  }
  readonly dependencies: Record<string, string>
  readonly peerDependencies: Record<string, string>
}

const manifest = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as Manifest

/** Not to be imported: the entries of a thread and of a process, and nothing else. */
const entries = new Set(['./worker', './witness', './package.json'])
const subpaths = Object.keys(manifest.exports)
  .filter((name) => !entries.has(name))
  .map((name) => name.replace('.', 'tenure'))

/** One version of each line that is supported; of the oldest, the oldest. */
const versions = [nodeLeast, process.version.slice(1), '26.10.0']

let folder = ''
let tarball = ''
/** A project that has nothing but the package. */
let plain = ''
const nodes = new Map<string, string>()

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tenure-package-'))
  tarball = await pack(folder)
  plain = join(folder, 'plain')
  await createProject(plain, { 'package.json': { private: true } }, [tarball])
  await Promise.all(versions.map(async (version) => nodes.set(version, await nodeOf(version))))
})

after(() => rmSync(folder, { recursive: true, force: true }))

function nodeFor(version: string): string {
  const node = nodes.get(version)
  assert.ok(node !== undefined)
  return node
}

/** What an application does, whichever way it has come to `createTenure`. */
const application = `
async function lead(database) {
  const tenure = createTenure({ store: 'sqlite:' + database, application: 'installed' })
  const acquired = new Promise((resolve) => tenure.on('term:acquired', resolve))
  await tenure.schedule('job', { every: '1h' }, (run) => console.log('token', run.fencingToken))
  await tenure.start()
  await acquired
  if (process.argv[3] === 'kill') process.kill(process.pid, 'SIGKILL')
  const { outcome } = await tenure.runNow('job')
  const { settings, lastToken } = await tenure.status()
  await tenure.stop()
  console.log(outcome, settings.heartbeatIn, lastToken)
}
lead(process.argv[2]).catch((error) => {
  console.log(error.code, error.message)
  process.exitCode = 1
})
`
const worked = 'token 1\nsucceeded thread 1\n'

let databases = 0

function ownDatabase(): string {
  return join(folder, `${++databases}.db`)
}

/** Runs a program on a database of its own. */
function runProgram(
  node: string,
  program: string,
  cwd: string,
  flags: readonly string[] = [],
): Promise<Ended> {
  return run(node, [...flags, program, ownDatabase()], cwd)
}

/** With the default ttl of 20 s, whoever leads sooner than this does so after a release. */
const beforeExpiryMs = 12_000

/** Kills a program that leads, and runs it again: its witness has released the lease. */
async function assertWitnessed(node: string, program: string, cwd: string): Promise<void> {
  const database = ownDatabase()
  const killed = await run(node, [program, database, 'kill'], cwd)
  assert.deepEqual([killed.code, killed.stdout], [null, ''])
  const killedAtMs = nowMs()
  const { code, stdout } = await run(node, [program, database], cwd)
  assert.deepEqual([code, stdout], [0, 'token 2\nsucceeded thread 2\n'])
  assert.ok(nowMs() - killedAtMs < beforeExpiryMs)
}

/** The warning that Node.js 22 prints where it loads its SQLite, once a thread, is documented. */
const sqliteWarning =
  /\(node:\d+\) ExperimentalWarning: SQLite is an experimental feature[^\n]*\n\(Use `node --trace-warnings[^\n]*\n/g

/** Who leads is told where no logger is given. */
const told = /^\{"level":30,[^\n]*"msg":"lease_(?:acquired|released)"\}\n/gm

function assertWorked({ code, stdout, stderr }: Ended, version: string): void {
  const said = stderr.replaceAll(told, '')
  const rest = version.startsWith('22.') ? said.replaceAll(sqliteWarning, '') : said
  assert.deepEqual({ code, stdout, stderr: rest }, { code: 0, stdout: worked, stderr: '' })
}

describe('installed into an empty project', { concurrency: 2 }, () => {
  for (const version of versions) {
    test(`its command runs on Node.js ${version}`, async () => {
      const command = join(plain, 'node_modules/.bin/tenure')
      const at = ['--store', `sqlite:${join(folder, `${++databases}.db`)}`]
      const help = await run(nodeFor(version), [command, '--help'], plain)
      assert.match(help.stdout, /^Usage: tenure COMMAND/)
      const print = ['run', ...at, '--', 'sh', '-c', 'echo token $TENURE_FENCING_TOKEN; exit 7']
      const { code, stdout } = await run(nodeFor(version), [command, ...print], plain)
      assert.deepEqual({ code, stdout }, { code: 7, stdout: 'token 1\n' })
    })
  }

  test('it has what it needs and its documents, no sources, and no peer that is optional', async () => {
    const list = await succeed('npm', ['ls', '--all', '--parseable'], plain)
    const names = new Set(list.split('\n').map((path) => path.split('node_modules/')[1]))
    for (const name of ['tenure', ...Object.keys(manifest.dependencies)]) assert.ok(names.has(name))
    for (const name of Object.keys(manifest.peerDependencies)) assert.ok(!names.has(name))
    const files = (await succeed('tar', ['tzf', tarball], folder)).trim().split('\n')
    const belongs = /^package\/((dist|docs)\/.*|[A-Z]+(\.md)?|package\.json)$/
    const source = /(?<!\.d)\.ts$|\.map$|\.test\./
    const strange = files.filter((file) => !belongs.test(file) || source.test(file))
    assert.deepEqual(strange, [])
    for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'docs/bundlers.md']) {
      assert.ok(files.includes(`package/${file}`), file)
    }
  })

  test('each subpath has its types also where TypeScript does not read exports', () => {
    const { '.': main, './package.json': _, ...exported } = manifest.exports
    assert.deepEqual([manifest.main, manifest.types], [main.default, main.types])
    const known = Object.entries(manifest.typesVersions['*']).map(([name, types]) => [
      `./${name}`,
      types,
    ])
    const expected = Object.entries(exported).map(([name, { types }]) => [name, [types]])
    assert.deepEqual(Object.fromEntries(known), Object.fromEntries(expected))
  })

  for (const version of versions) {
    test(`it is imported on Node.js ${version}`, async () => {
      const program = `
        import { createTenure } from 'tenure'
        ${subpaths.map((name) => `import '${name}'`).join('\n')}
        ${application}`
      const name = `import-${version}.mjs`
      await createProject(plain, { [name]: program })
      assertWorked(await runProgram(nodeFor(version), name, plain), version)
      await assertWitnessed(nodeFor(version), name, plain)
    })

    test(`it is required by CommonJS on Node.js ${version}`, async () => {
      const program = `
        const { createTenure } = require('tenure')
        ${subpaths.map((name) => `require('${name}')`).join('\n')}
        import('tenure').then((copy) => {
          if (copy.createTenure !== createTenure) console.log('there are two copies')
        })
        ${application}`
      const name = `require-${version}.cjs`
      await createProject(plain, { [name]: program })
      assertWorked(await runProgram(nodeFor(version), name, plain), version)
    })
  }

  test(`the warning of Node.js ${nodeLeast} is gone with the flag that is documented`, async () => {
    await createProject(plain, {
      'flag.mjs': `import { createTenure } from 'tenure'\n${application}`,
    })
    const flags = ['--disable-warning=ExperimentalWarning']
    const { code, stdout, stderr } = await runProgram(nodeFor(nodeLeast), 'flag.mjs', plain, flags)
    const said = stderr.replaceAll(told, '')
    assert.deepEqual({ code, stdout, said }, { code: 0, stdout: worked, said: '' })
  })

  test('publint finds nothing wrong with it', async () => {
    assert.match(await succeed(bin('publint'), ['--strict', tarball], folder), /All good/)
  })

  test('attw finds its types to be what it is', async () => {
    const args = ['--profile', 'esm-only', '--format', 'json', tarball]
    const { analysis, problems } = JSON.parse(await succeed(bin('attw'), args, folder))
    assert.equal(analysis.types.kind, 'included')
    // What is left are the resolutions that the profile leaves out: CommonJS of Node.js 16.
    const kinds = Object.keys(problems ?? {})
    assert.deepEqual(kinds, ['CJSResolvesToESM'])
  })
})

describe('in a CommonJS project in TypeScript, as Nest makes it', { concurrency: 2 }, () => {
  const program = `
import { createTenure, TenureError, type Duration, type Run, type Tenure } from 'tenure'
import type { PostgresStoreOptions } from 'tenure/postgres'
import { tenurePlugin, type TenurePluginOptions } from 'tenure/fastify'
import { createTestTenure, leaseStoreCases, type TestTenure } from 'tenure/testing'

const Injectable = (): ClassDecorator => () => {}

@Injectable()
class Jobs {
  readonly #tenure: Tenure

  constructor(store: string, ttl: Duration) {
    this.#tenure = createTenure({ store, ttl, application: 'installed' })
  }

  async lead(): Promise<void> {
    const tenure = this.#tenure
    const acquired = new Promise<void>((resolve) => tenure.on('term:acquired', () => resolve()))
    await tenure.schedule('job', { every: '1h' }, (run: Run) => console.log('token', run.fencingToken))
    await tenure.start()
    await acquired
    const { outcome } = await tenure.runNow('job')
    const { settings, lastToken } = await tenure.status()
    await tenure.stop()
    console.log(outcome, settings.heartbeatIn, lastToken)
  }
}

// Without the package pg and its types, which only those need who use it.
const place: Pick<PostgresStoreOptions, 'url' | 'Client'> | undefined = undefined
void place
const options: TenurePluginOptions = { store: undefined, routes: ['health'] }
const tests: () => TestTenure = createTestTenure
void [options, tests, tenurePlugin, leaseStoreCases, TenureError]
void new Jobs('sqlite:' + process.argv[2], '20s').lead()
// @ts-expect-error a duration without a unit
const wrong: Duration = '20'
void wrong
`
  /** What Nest's own settings are, but for checking the types of packages, which they leave out. */
  const common = {
    declaration: true,
    emitDecoratorMetadata: true,
    experimentalDecorators: true,
    esModuleInterop: true,
    isolatedModules: true,
    strict: true,
    skipLibCheck: false,
    rootDir: '.',
    types: ['node'],
  }
  const settings = [
    { module: 'commonjs', target: 'es2021' },
    { module: 'node20', target: 'es2023' },
    { module: 'nodenext', target: 'es2023' },
  ]
  let project = ''
  const compilers = new Map<string, string>()

  before(async () => {
    const files: Record<string, string | object> = {
      'package.json': { private: true, type: 'commonjs' },
      'main.ts': program,
      'main16.ts': "import { createTenure } from 'tenure'\nvoid createTenure\n",
      'tsconfig.node16.json': {
        compilerOptions: { ...common, module: 'node16', target: 'es2021', noEmit: true },
        files: ['main16.ts'],
      },
    }
    for (const version of [5, 7]) {
      for (const { module, target } of settings) {
        files[`tsconfig.${module}-${version}.json`] = {
          compilerOptions: { ...common, module, target, outDir: `out-${module}-${version}` },
          files: ['main.ts'],
        }
      }
    }
    const packages = [tarball, 'typescript@5.9.3', '@types/node@22.19.1', 'fastify@5.12.8']
    project = await createProject(join(folder, 'nest'), files, packages)
    compilers.set('5', join(project, 'node_modules/.bin/tsc'))
    compilers.set('7', bin('tsc'))
  })

  for (const version of ['5', '7']) {
    const compile = (name: string): Promise<Ended> =>
      run(compilers.get(version) ?? '', ['-p', `tsconfig.${name}.json`], project)

    for (const { module, target } of settings) {
      test(`TypeScript ${version} with module ${module} for ${target} checks it, and it runs`, async () => {
        const { code, stdout } = await compile(`${module}-${version}`)
        assert.equal(code, 0, stdout)
        const main = `out-${module}-${version}/main.js`
        assertWorked(await runProgram(nodeFor(nodeLeast), main, project), nodeLeast)
      })
    }

    test(`TypeScript ${version} with module node16 refuses to require it, as is documented`, async () => {
      const { code, stdout } = await compile('node16')
      assert.notEqual(code, 0)
      assert.match(stdout, /TS1479/)
      assert.doesNotMatch(stdout, /node_modules\/tenure/)
    })
  }
})

describe('bundled by esbuild', { concurrency: 2 }, () => {
  const document = readFileSync(new URL('../../docs/bundlers.md', import.meta.url), 'utf8')

  before(() =>
    createProject(plain, {
      'src/app.js': `import { createTenure } from 'tenure'\n${application}`,
    }),
  )

  /** Bundles into a folder of its own, from where no package can be found. */
  async function bundle(name: string, entries: readonly string[], flags: readonly string[]) {
    const out = join(folder, name)
    const args = [...entries, '--bundle', '--platform=node', `--outdir=${out}`, ...flags]
    const { code, stderr } = await run(bin('esbuild'), [...args, '--log-level=warning'], plain)
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
    return out
  }

  const formats = [
    { format: 'esm', extension: 'mjs', flags: [] },
    { format: 'esm', extension: 'mjs', flags: ['--splitting'] },
    { format: 'cjs', extension: 'cjs', flags: ['--minify'] },
  ]
  for (const { format, extension, flags } of formats) {
    const all = [`--format=${format}`, `--out-extension:.js=.${extension}`, ...flags]
    const title = [format, ...flags].join(' ')

    const name = title.replaceAll(' ', '')
    const app = `app.${extension}`
    const [main, worker, witness] = [
      'app=src/app.js',
      'tenure-worker=tenure/worker',
      'tenure-witness=tenure/witness',
    ]

    test(`as ${title}, with its two entries, it works on each Node.js`, async () => {
      const out = await bundle(name, [main, worker, witness], all)
      for (const version of versions) {
        assertWorked(await runProgram(nodeFor(version), app, out), version)
        await assertWitnessed(nodeFor(version), app, out)
      }
    })

    test(`as ${title}, without its worker, it says what is missing where`, async () => {
      const out = await bundle(`no-worker-${name}`, [main, witness], all)
      const { code, stdout } = await runProgram(process.execPath, app, out)
      assert.equal(code, 1)
      assert.ok(stdout.startsWith('TENURE_ERR_FILE_MISSING '), stdout)
      assert.ok(stdout.includes(join(out, `tenure-worker.${extension}`)), stdout)
      assert.ok(stdout.includes('docs/bundlers.md'), stdout)
    })

    test(`as ${title}, without its witness, it works, and one line says so`, async () => {
      const out = await bundle(`no-witness-${name}`, [main, worker], all)
      const { code, stdout, stderr } = await runProgram(process.execPath, app, out)
      assert.deepEqual([code, stdout], [0, worked])
      const [line = '', ...rest] = stderr.replaceAll(told, '').trim().split('\n')
      assert.deepEqual(rest, [])
      const { msg, message } = JSON.parse(line) as Record<string, string>
      assert.equal(msg, 'witness_absent')
      assert.ok(message?.includes(join(out, `tenure-witness.${extension}`)), line)
      assert.ok(message?.includes('docs/bundlers.md'), line)
    })
  }

  test('by the command that is documented, it works without any package beside it', async () => {
    const [, args = ''] = /\nesbuild (.*--outdir=dist .*)\n/.exec(document) ?? []
    await succeed(bin('esbuild'), args.split(' '), plain)
    const out = join(folder, 'documented')
    renameSync(join(plain, 'dist'), out)
    assertWorked(await runProgram(nodeFor(nodeLeast), 'app.cjs', out), nodeLeast)
  })

  test('the Fastify plugin serves its routes, and says so where it lacks the page', async () => {
    const program = `
      import fastify from 'fastify'
      import { tenurePlugin } from 'tenure/fastify'
      for (const routes of [['status', 'health'], ['page']]) {
        const app = fastify()
        app.register(tenurePlugin, { store: 'sqlite:' + process.argv[2], routes })
        try {
          console.log((await app.inject('/tenure/health')).statusCode)
        } catch (error) {
          console.log(error.code)
        }
        await app.close()
      }`
    const project = await createProject(
      join(folder, 'service'),
      { 'package.json': { private: true }, 'service.mjs': program },
      [tarball, 'fastify@5.12.8'],
    )
    const out = join(folder, 'bundled-service')
    const [, banner = ''] = /`--banner:js="(.*)"`/.exec(document) ?? []
    const both = ['tenure-worker=tenure/worker', 'tenure-witness=tenure/witness']
    const args = ['service.mjs', ...both, `--outdir=${out}`, '--bundle']
    const flags = ['--platform=node', '--format=esm', `--banner:js=${banner}`]
    await succeed(bin('esbuild'), [...args, ...flags, '--out-extension:.js=.mjs'], project)
    const { code, stdout, stderr } = await runProgram(process.execPath, 'service.mjs', out)
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 0, stdout: '200\nTENURE_ERR_FILE_MISSING\n', stderr: '' },
    )
  })

  test('left out of the bundle, it is found among the packages as ever', async () => {
    const args = ['src/app.js', '--bundle', '--platform=node', '--packages=external']
    await succeed(bin('esbuild'), [...args, '--format=cjs', '--outfile=external.cjs'], plain)
    assertWorked(await runProgram(nodeFor(nodeLeast), 'external.cjs', plain), nodeLeast)
  })
})
