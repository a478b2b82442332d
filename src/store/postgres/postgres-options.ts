import { missingClient } from '../server/missing-client.ts'
import type { StoreLocation } from '../store-url.ts'
import type { PostgresStoreOptions } from './postgres-store.ts'

/** What both the leases and the ledger of a PostgreSQL database are opened with. */
export async function postgresOptions({
  url,
  schema,
}: StoreLocation & { scheme: 'postgres' }): Promise<PostgresStoreOptions> {
  // Written so that a bundler takes it for optional, as it is.
  const { default: pg } = await import('pg').catch(missingClient('pg'))
  return { url, ...(schema && { schema }), Client: pg.Client }
}
