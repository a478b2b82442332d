// Preloaded with changes in its address: what is loaded after it is that broken variant.
import module from 'node:module'
import threads, { type WorkerOptions } from 'node:worker_threads'

import { breakSource } from './load-hook.ts'
import type { Change } from './mutant.ts'

const { href, search } = new URL(import.meta.url)
breakSource(JSON.parse(Buffer.from(search.slice(1), 'base64url').toString()) as Change[])

// Tenure gives its thread no preloads of the application's, and so not this one either.
const { Worker } = threads
threads.Worker = class extends Worker {
  constructor(url: string | URL, options: WorkerOptions = {}) {
    const { env, execArgv = process.execArgv } = options
    const has = typeof env !== 'object' || (env['NODE_OPTIONS'] ?? '').includes(href)
    super(url, has ? options : { ...options, execArgv: [...execArgv, `--import=${href}`] })
  }
}
module.syncBuiltinESMExports()
