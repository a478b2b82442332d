import { readFileSync, statSync } from 'node:fs'

import { messageOf, TenureError } from '../../errors.ts'

/** Others may neither read nor write a file of passwords, as libpq demands. */
const othersMask = 0o077

/**
 * The files that a store URL names. Each connection reads them again, because certificates are
 * renewed; where one cannot be read any more, because its folder was removed by a deploy or the
 * process gave its rights away, what was read last is used.
 */
export class KeptFiles {
  readonly #known = new Map<string, Buffer>()

  /** @throws TenureError `TENURE_ERR_STORE_URL` if it could never be read */
  read(path: string, parameter: string): Buffer {
    try {
      const content = readFileSync(path)
      this.#known.set(path, content)
      return content
    } catch (cause) {
      const known = this.#known.get(path)
      if (known !== undefined) return known
      throw new TenureError(
        'TENURE_ERR_STORE_URL',
        `Expected that the file ${path} can be read, which \`${parameter}\` of the store URL ` +
          `names; got "${messageOf(cause)}".`,
        { cause },
      )
    }
  }

  /**
   * The password for a connection in a file such as `~/.pgpass`.
   *
   * @throws TenureError `TENURE_ERR_STORE_URL`
   */
  password(path: string, connection: readonly [host: string, ...others: string[]]): string {
    const isOpen = process.platform !== 'win32' && (modeOf(path) & othersMask) !== 0
    const found = isOpen
      ? undefined
      : passwordIn(this.read(path, 'passfile').toString('utf8'), connection)
    if (found !== undefined) return found
    const problem = isOpen
      ? 'that only its owner may read (chmod 600); got one that others may use'
      : `with a line for ${connection.join(':')}; got none`
    throw new TenureError(
      'TENURE_ERR_STORE_URL',
      `Expected \`passfile\` of the store URL, or PGPASSFILE, to be a file ${problem}: ${path}.`,
    )
  }
}

function modeOf(path: string): number {
  try {
    return statSync(path).mode
  } catch {
    return 0
  }
}

/** The password in the first line of `host:port:database:user:password` that fits; `*` fits all. */
function passwordIn(text: string, connection: readonly string[]): string | undefined {
  for (const line of text.split(/\r?\n/)) {
    if (line.startsWith('#')) continue
    // A colon or a backslash in a field has a backslash before it; after the last field is nothing.
    const fields = [...line.matchAll(/((?:\\.|[^:\\])*)(?::|$)/g)].map(([, field = '']) => field)
    const password = fields.length === 6 ? fields[4] : undefined
    const fits = connection.every((part, at) => ['*', part].includes(unescaped(fields[at] ?? '')))
    if (password !== undefined && fits) return unescaped(password)
  }
  return undefined
}

function unescaped(field: string): string {
  return field.replaceAll(/\\(.)/g, '$1')
}
