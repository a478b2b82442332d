import { messageOf, TenureError } from '../../errors.ts'

/**
 * What becomes of an import that fails. The client of a store is an optional peer: only who uses the
 * store installs it.
 *
 * @throws TenureError `TENURE_ERR_STORE_MODULE`, which says what to install
 */
export function missingClient(name: string): (cause: unknown) => never {
  return (cause) => {
    throw new TenureError(
      'TENURE_ERR_STORE_MODULE',
      `Expected that the package \`${name}\` is installed, which this store needs; got ` +
        `"${messageOf(cause)}". Run: npm install ${name}`,
      { cause },
    )
  }
}
