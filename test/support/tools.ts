// Packages that only some tests need, in folders of their own: installed when first asked for.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** `guides`: what the guides take as installed; `package`: what tests the packed package. */
export type ToolsName = 'guides' | 'package'

const installed = new Set<ToolsName>()

/** The folder of these packages, which are there when it returns. */
export function toolsOf(name: ToolsName): string {
  const folder = `tools/${name}`
  if (!installed.has(name)) {
    const args = [join(root, 'scripts/install-missing.mjs'), folder]
    const env = { ...process.env, NODE_V8_COVERAGE: undefined }
    const { status } = spawnSync(process.execPath, args, { cwd: root, env, stdio: 'inherit' })
    assert.equal(status, 0, `the packages of ${folder} could not be installed`)
    installed.add(name)
  }
  return join(root, folder, 'node_modules')
}

/** The folder of a package: among the tools, or else among the packages of the project. */
export function folderOf(name: string, tools: ToolsName): string {
  const tool = join(toolsOf(tools), name)
  return existsSync(tool) ? tool : join(root, 'node_modules', name)
}
