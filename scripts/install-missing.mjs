// Runs before `npm start` and `npm test`, with whatever Node.js there is: brings the project's own
// Node.js and everything else that package-lock.json names, where that has not been done yet.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const installed = `${root}node_modules/.package-lock.json`

function isUpToDate() {
  if (!existsSync(installed) || !existsSync(`${root}node_modules/.bin/node`)) return false
  // npm writes its own record after the installation: a newer lock file was not installed yet.
  if (statSync(installed).mtimeMs >= statSync(`${root}package-lock.json`).mtimeMs) return true
  const lock = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8')).packages
  const there = JSON.parse(readFileSync(installed, 'utf8')).packages
  return Object.entries(there).every(([name, { version }]) => lock[name]?.version === version)
}

if (!isUpToDate()) {
  console.log('Installing what the project needs (once; about a minute) ...')
  // The engines are those of the project's own Node.js, which this very step brings.
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  execFileSync('npm', ['ci', ...quiet], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
}
