import { spawn } from 'node:child_process'

const checks: readonly (readonly [name: string, command: string, ...args: string[]])[] = [
  ['Linter', 'oxlint', '--type-aware', '--deny-warnings'],
  ['Formatter', 'oxfmt', '--check', '.'],
  ['Types', 'tsc', '-p', '.'],
  ['Types of the page', 'tsc', '-p', 'src/dashboard'],
  ['Build', process.execPath, 'scripts/build.ts'],
]

/** Runs the checks and the build, all at once; false if one has failed, which is printed. */
export async function runChecks(root: string): Promise<boolean> {
  const outcomes = await Promise.all(
    checks.map(async ([name, command, ...args]) => {
      const startedAt = Date.now()
      const { code, output } = await run(root, command, args)
      const seconds = ((Date.now() - startedAt) / 1_000).toFixed(1)
      console.log(code === 0 ? `✔ ${name}, ${seconds} s` : `✖ ${name}\n${output}`)
      return code === 0
    }),
  )
  return outcomes.every(Boolean)
}

async function run(
  root: string,
  command: string,
  args: readonly string[],
): Promise<{ code: number | null; output: string }> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => (output += String(chunk)))
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { code, output }
}
