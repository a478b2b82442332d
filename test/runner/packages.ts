import { spawnSync } from 'node:child_process'

/** The files that need packages of their own, and the folder that has these. */
const needs: readonly (readonly [files: RegExp, folder: string])[] = [
  [/^guides\/(?!index)/, 'tools/guides'],
  [/^package\/(?!readme)/, 'tools/package'],
  [/^bench\//, 'bench/schedule'],
]

/** Installs what some of the files need and is not there yet; false if that cannot be. */
export function installPackages(files: readonly string[], root: string): boolean {
  const folders = needs
    .filter(([pattern]) => files.some((file) => pattern.test(file)))
    .map(([, folder]) => folder)
  if (folders.length === 0) return true
  const args = ['scripts/install-missing.mjs', ...folders]
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' }).status === 0
}
