import { createTenure, type Tenure } from '../index.ts'
import { isStoreDefault, tenureOptionsOf, UsageError, type Flags } from './flags.ts'
import type { Voice } from './voice.ts'

/** The Tenure of a command, which is not started yet. @throws TenureError, UsageError */
export function tenureOf(flags: Flags, voice: Voice): Tenure {
  const tenure = createTenure({ ...tenureOptionsOf(flags), logger: voice.logger })
  if (isStoreDefault(flags)) {
    voice.say(
      'store_default',
      `no --store and no TENURE_STORE: using ${tenure.settings.store}, in this folder.`,
      { store: tenure.settings.store },
    )
  }
  return tenure
}

/**
 * A Tenure of a command that has to meet others at its lease: not in memory, where it would be
 * alone.
 *
 * @throws TenureError, UsageError
 */
export function sharedTenureOf(flags: Flags, voice: Voice): Tenure {
  const tenure = tenureOf(flags, voice)
  if (!tenure.settings.store.startsWith('memory:')) return tenure
  throw new UsageError(
    'Expected --store to be one that other processes reach as well; got ' +
      `${tenure.settings.store}, which lives in the memory of one process.`,
  )
}
