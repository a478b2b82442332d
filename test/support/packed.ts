// The package as people install it: packed, and installed into projects that have nothing else.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { toolsOf } from './tools.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** One command that has ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command to its end; one that does not end is killed, and has no code then. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Ended> {
  const env = { ...process.env, NODE_V8_COVERAGE: undefined, NODE_TEST_CONTEXT: undefined }
  return new Promise((resolve) => {
    const child = execFile(
      command,
      args,
      { cwd, env, timeout: 200_000, killSignal: 'SIGKILL' },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    )
  })
}

/** Runs a command that has to succeed, and returns what it printed. */
export async function succeed(
  command: string,
  args: readonly string[],
  cwd: string,
): Promise<string> {
  const { code, stdout, stderr } = await run(command, args, cwd)
  assert.equal(code, 0, `${command} ${args.join(' ')}\n${stdout}${stderr}`)
  return stdout
}

/** Where a program is that comes from the project's own packages, or from those for the package. */
export function bin(name: string): string {
  const own = join(root, 'node_modules/.bin', name)
  return existsSync(own) ? own : join(toolsOf('package'), '.bin', name)
}

/** Packs the package into a folder, from `dist/` as it is built; returns the path of the tarball. */
export async function pack(folder: string): Promise<string> {
  const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => join(root, path))
  const newestMs = Math.max(...sources.map((path) => statSync(path).mtimeMs))
  const built = statSync(join(root, 'dist/index.js'), { throwIfNoEntry: false })
  assert.ok(built !== undefined && built.mtimeMs > newestMs, 'npm run build comes first')
  // The scripts would build once more, under the feet of other tests.
  const args = ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder]
  return join(folder, (await succeed('npm', args, root)).trim())
}

/** Writes files into a new project, and installs packages into it as a user would. */
export async function createProject(
  folder: string,
  files: Readonly<Record<string, string | object>>,
  packages: readonly string[] = [],
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    writeFileSync(join(folder, name), text)
  }
  if (packages.length > 0) {
    const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages]
    await succeed('npm', args, folder)
  }
  return folder
}

/** The oldest Node.js that the package says it supports. */
export const nodeLeast: string = JSON.parse(
  readFileSync(join(root, 'package.json'), 'utf8'),
).engines.node.replace('>=', '')

/**
 * A Node.js of this version, from the npm package `node`. It is kept beside the tools for the
 * package, so that it is installed once.
 */
export async function nodeOf(version: string): Promise<string> {
  if (process.version === `v${version}`) return process.execPath
  const folder = join(toolsOf('package'), '.cache/tenure-node', version)
  const node = join(folder, 'node_modules/.bin/node')
  const isThere = async (): Promise<boolean> =>
    (await run(node, ['--version'], root)).stdout.trim() === `v${version}`
  if (await isThere()) return node
  rmSync(folder, { recursive: true, force: true })
  // Its install script brings the binary for this machine.
  const manifest = { private: true, allowScripts: { node: true } }
  await createProject(folder, { 'package.json': manifest }, [`node@${version}`])
  assert.ok(await isThere(), `Node.js ${version} was installed to ${folder}, and does not run`)
  return node
}
