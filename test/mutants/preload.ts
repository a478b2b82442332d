// Preloaded with changes in its address: what is loaded after it is that broken variant.
import { breakSource } from './load-hook.ts'
import type { Change } from './mutant.ts'

const changes = Buffer.from(new URL(import.meta.url).search.slice(1), 'base64url').toString()
breakSource(JSON.parse(changes) as Change[])
