// Builds dist/: compiles the sources, and copies what the compiler does not.
import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { buildSync } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
rmSync(`${root}dist`, { recursive: true, force: true })
execFileSync(`${root}node_modules/.bin/tsc`, ['-p', `${root}tsconfig.build.json`], {
  stdio: 'inherit',
})
bundleWitness()
for (const name of readdirSync(`${root}src/dashboard`)) {
  if (/\.(html|css|js)$/.test(name))
    cpSync(`${root}src/dashboard/${name}`, `${root}dist/dashboard/${name}`)
}

/**
 * The witness once more, in one file of CommonJS, with the clients of the stores: takeovers after a
 * crash wait for it, and Node.js needs 15 ms less to begin with that, and with `pg` some 20 ms less
 * than to find it file by file.
 */
function bundleWitness(): void {
  const { metafile } = buildSync({
    absWorkingDir: `${root}dist/heart`,
    entryPoints: ['tenure-witness.js'],
    outfile: 'tenure-witness.cjs',
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    target: 'node22',
    external: ['pg-native'],
    metafile: true,
    logLevel: 'warning',
  })
  const folders = Object.keys(metafile.inputs).map(
    (path) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0],
  )
  const notices = [...new Set(folders)].flatMap((folder) =>
    folder === undefined ? [] : [noticeOf(`${root}dist/heart/${folder}`)],
  )
  writeFileSync(`${root}dist/heart/tenure-witness.licenses.txt`, notices.toSorted().join('\n\n'))
}

/** Whose a package is that the bundle holds, and under what licence. */
function noticeOf(folder: string): string {
  const read = (name: string): string => readFileSync(`${folder}/${name}`, 'utf8')
  const { name, version, license } = JSON.parse(read('package.json')) as Record<string, string>
  if (license === undefined) throw new Error(`Expected the licence of ${name}; got none.`)
  const file = readdirSync(folder).find((path) => /^licen[cs]e/i.test(path))
  return `${name} ${version}, ${license}\n\n${file === undefined ? '' : read(file)}`
}
