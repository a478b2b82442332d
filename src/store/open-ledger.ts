import type { LedgerStore } from './ledger-store.ts'
import { importModule, type StoreConfig } from './open-store.ts'
import { postgresOptions } from './postgres/postgres-options.ts'

/**
 * Opens the ledger that lives where the leases of a store do, on a connection of its own. Nothing
 * is connected yet: that happens, and may fail, with the first call.
 *
 * @returns `undefined` for a store of somebody's own that has none: its module exports no
 *   `openLedgerStore`
 * @throws TenureError `TENURE_ERR_STORE_MODULE` if a module of one's own cannot be used
 */
export async function openLedger(config: StoreConfig): Promise<LedgerStore | undefined> {
  if ('module' in config) {
    const { openLedgerStore } = await importModule(config.module)
    return openLedgerStore?.(config.options)
  }
  switch (config.scheme) {
    case 'memory': {
      const { sharedMemory } = await import('./memory/memory-store.ts')
      const { MemoryLedgerStore } = await import('./memory/memory-ledger.ts')
      return new MemoryLedgerStore(sharedMemory(config.name))
    }
    case 'sqlite': {
      const { SqliteLedgerStore } = await import('./sqlite/sqlite-ledger.ts')
      return new SqliteLedgerStore({ path: config.path })
    }
    case 'postgres': {
      const { PostgresLedgerStore } = await import('./postgres/postgres-ledger.ts')
      return new PostgresLedgerStore(await postgresOptions(config))
    }
  }
}
