import { parsePostgresUrl } from './postgres-url.ts'
import { redactStoreUrl } from '../store-url.ts'
import { schemaDefault } from './schema.ts'

/** Where the tables are. */
export interface Place {
  /** As `parsePostgresUrl` has read it. */
  readonly url: string
  /** The URL as it may be shown. */
  readonly shown: string
  readonly schema: string
}

/** Where the options of a store or of a ledger say that the tables are. @throws TenureError */
export function placeOf({
  url,
  schema,
}: {
  readonly url: string
  readonly schema?: string | undefined
}): Place {
  const shown = redactStoreUrl(url)
  const read = parsePostgresUrl(url, shown)
  return { url: read.url, shown, schema: schema ?? read.schema ?? schemaDefault }
}
