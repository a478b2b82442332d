// Builds dist/: compiles the sources, and copies what the compiler does not.
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(`${root}dist`, { recursive: true, force: true })
execFileSync(`${root}node_modules/.bin/tsc`, ['-p', `${root}tsconfig.build.json`], {
  stdio: 'inherit',
})
// The witness once more, in one file of CommonJS: Node.js needs 15 ms less to begin with that, and
// takeovers after a crash wait for it.
const bundling = '--bundle --platform=node --format=cjs --target=node22 --packages=external'
execFileSync(
  `${root}node_modules/.bin/esbuild`,
  ['tenure-witness.js', '--outfile=tenure-witness.cjs', '--log-level=warning'].concat(
    bundling.split(' '),
  ),
  { stdio: 'inherit', cwd: `${root}dist/heart` },
)
for (const name of readdirSync(`${root}src/dashboard`)) {
  if (/\.(html|css|js)$/.test(name))
    cpSync(`${root}src/dashboard/${name}`, `${root}dist/dashboard/${name}`)
}
