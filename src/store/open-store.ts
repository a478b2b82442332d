import { messageOf, TenureError } from '../errors.ts'
import type { StoreLocation } from './store-url.ts'
import type { LeaseStore } from './lease-store.ts'
import type { LedgerStore } from './ledger-store.ts'
import { postgresOptions } from './postgres/postgres-options.ts'

/** A store of somebody's own: a module that can be imported, and plain data to open it with. */
export interface StoreModule {
  /** A package, or an absolute `file:` URL such as `new URL('./my-store.js', import.meta.url)`. */
  readonly module: string
  /** Given to the module's `openLeaseStore`; has to survive `structuredClone`. */
  readonly options: unknown
}

/** What the module of a store of one's own has to export. */
export interface StoreModuleExports {
  openLeaseStore(options: unknown): LeaseStore | Promise<LeaseStore>
  /** Left out by a store that has no ledger. */
  openLedgerStore?(options: unknown): LedgerStore | Promise<LedgerStore>
}

/** What a thread needs to open the store by itself: plain data, which crosses threads. */
export type StoreConfig = StoreLocation | StoreModule

/**
 * Opens a store. Nothing is connected yet: that happens, and may fail, with the first call.
 *
 * @throws TenureError `TENURE_ERR_STORE_MODULE` if a module of one's own cannot be used
 */
export async function openStore(config: StoreConfig): Promise<LeaseStore> {
  if ('module' in config) return openModule(config)
  switch (config.scheme) {
    case 'memory': {
      const { MemoryLeaseStore, sharedMemory } = await import('./memory/memory-store.ts')
      return new MemoryLeaseStore(sharedMemory(config.name))
    }
    case 'sqlite': {
      const { SqliteLeaseStore } = await import('./sqlite/sqlite-store.ts')
      return new SqliteLeaseStore({ path: config.path })
    }
    case 'postgres': {
      const { PostgresLeaseStore } = await import('./postgres/postgres-store.ts')
      return new PostgresLeaseStore(await postgresOptions(config))
    }
  }
}

async function openModule({ module, options }: StoreModule): Promise<LeaseStore> {
  const exports = await importModule(module)
  if (typeof exports.openLeaseStore !== 'function') {
    throw new TenureError(
      'TENURE_ERR_STORE_MODULE',
      `Expected the store module ${module} to export a function \`openLeaseStore\`; got the ` +
        `exports [${Object.keys(exports).join(', ')}].`,
    )
  }
  return exports.openLeaseStore(options)
}

/** What the module of a store of one's own exports. */
export async function importModule(module: string): Promise<Partial<StoreModuleExports>> {
  try {
    return (await import(module)) as Partial<StoreModuleExports>
  } catch (cause) {
    throw new TenureError(
      'TENURE_ERR_STORE_MODULE',
      `Expected that the store module ${module} can be imported; got "${messageOf(cause)}".`,
      { cause },
    )
  }
}
