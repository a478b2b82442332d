import { messageOf, TenureError } from '../../errors.ts'
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

/** The client of a store is an optional peer: only who uses the store installs it. */
function missingClient(name: string): (cause: unknown) => never {
  return (cause) => {
    throw new TenureError(
      'TENURE_ERR_STORE_MODULE',
      `Expected that the package \`${name}\` is installed, which this store needs; got ` +
        `"${messageOf(cause)}". Run: npm install ${name}`,
      { cause },
    )
  }
}
