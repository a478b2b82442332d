import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'

/**
 * Lets the processes that the tests of this suite start share what they compile: all of their code
 * is the same but for one file.
 */
export function shareCompiledCode(): void {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tenure-compiled-'))
    process.env['NODE_COMPILE_CACHE'] = folder
  })
  after(() => {
    delete process.env['NODE_COMPILE_CACHE']
    rmSync(folder, { recursive: true, force: true })
  })
}
