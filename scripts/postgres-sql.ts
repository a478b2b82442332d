import { writeFileSync } from 'node:fs'

import { ledgerNames, ledgerSql } from '../src/store/postgres/ledger-schema.ts'
import { schemaDefault, schemaNames, schemaSql } from '../src/store/postgres/schema.ts'

/**
 * The file `docs/stores/postgres.sql`: what an administrator runs who does not let an application
 * create tables. It grants a role the least that Tenure needs. `node scripts/postgres-sql.ts` writes
 * it anew, and a test holds it against this.
 */
export function installSql(): string {
  const { schema, version, token, lease, term } = schemaNames(schemaDefault)
  const ledger = ledgerNames(schemaDefault)
  return `-- The tables of Tenure, for a role that may not create any. To be run by a role that may:
--
--   psql --set=ON_ERROR_STOP=1 --set=role=billing --single-transaction --file=postgres.sql DATABASE
--
-- where \`billing\` is the role in the store URL. It may be run again, and by several at once. For
-- another schema than ${schemaDefault}, replace ${schema} everywhere, and name it in the store URL: ?tenure_schema=NAME

SELECT pg_advisory_xact_lock(hashtext('tenure:${schemaDefault}'));

${schemaSql(schemaDefault)}
${ledgerSql(schemaDefault)}
GRANT USAGE ON SCHEMA ${schema} TO :"role";
GRANT SELECT ON ${version}, ${ledger.version} TO :"role";
GRANT SELECT, INSERT, UPDATE ON ${token} TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ${lease}, ${term} TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON ${ledger.job}, ${ledger.run}, ${ledger.skip},
  ${ledger.schedule}, ${ledger.revision} TO :"role";
`
}

if (import.meta.main) {
  writeFileSync(new URL('../docs/stores/postgres.sql', import.meta.url), installSql())
}
