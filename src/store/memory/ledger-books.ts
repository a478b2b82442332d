import type { LedgerRows, Put, Scan } from '../ledger/engine.ts'
import { tableNames, textOfKey, type Keys, type Table, type Tables } from '../ledger/rows.ts'

type Fields = Readonly<Record<string, unknown>>
type Condition = readonly [field: string, readonly [is: string, value: unknown]]
/** The rows of one table: by their jobs, and then by their keys. */
type Rows = Map<string, Map<string, Fields>>

/** The ledgers of a memory, as tables. */
export class LedgerBooks {
  readonly #tokenOf: (lease: string) => number
  readonly #books = new Map<string, LedgerRows>()

  /** `tokenOf` tells the last token that was granted for a lease. */
  constructor(tokenOf: (lease: string) => number) {
    this.#tokenOf = tokenOf
  }

  /** The ledger of a lease. */
  of(lease: string): LedgerRows {
    const book = this.#books.get(lease) ?? new Book(() => this.#tokenOf(lease))
    this.#books.set(lease, book)
    return book
  }
}

/** The ledger of one lease. */
class Book implements LedgerRows {
  readonly granted: () => number
  readonly #tables = new Map<Table, Rows>(tableNames.map((name) => [name, new Map()]))

  constructor(granted: () => number) {
    this.granted = granted
  }

  load<Name extends Table>(name: Name, keys: readonly Keys[Name][]): readonly Tables[Name][] {
    const rows = keys.map((key) => this.#ofJob(name, jobIdOf(key)).get(textOfKey(name, key)))
    return rows.filter((row) => row !== undefined) as unknown as readonly Tables[Name][]
  }

  scan<Name extends Table>(scan: Scan<Name>): readonly Tables[Name][] {
    const { of: name, where, but = {}, beyond = 0, limit } = scan
    const conditions = Object.entries(where) as Condition[]
    const ofJob = conditions.find(([field, [is]]) => field === 'jobId' && is === '=')?.[1][1]
    const all = typeof ofJob === 'string' ? [...this.#ofJob(name, ofJob).values()] : this.#all(name)
    const order = scan.order as readonly string[]
    const sign = scan.descends === true ? -1 : 1
    const found = all
      .filter((row) => areTrue(row, conditions))
      .toSorted((a, b) => sign * inOrder(a, b, order))
      .slice(beyond)
      .filter((row) => areTrue(row, Object.entries(but) as Condition[]))
      .slice(0, limit)
    return found as unknown as readonly Tables[Name][]
  }

  put<Name extends Table>(name: Name, puts: readonly Put<Tables[Name]>[]): void {
    for (const { before, fields } of puts) {
      const row = { ...before, ...fields } as Tables[Name]
      this.#ofJob(name, jobIdOf(row)).set(textOfKey(name, row), row as unknown as Fields)
    }
  }

  remove<Name extends Table>(name: Name, keys: readonly Keys[Name][]): void {
    for (const key of keys) this.#ofJob(name, jobIdOf(key)).delete(textOfKey(name, key))
  }

  #all(name: Table): Fields[] {
    return [...(this.#tables.get(name)?.values() ?? [])].flatMap((rows) => [...rows.values()])
  }

  #ofJob(name: Table, jobId: string): Map<string, Fields> {
    const table = this.#tables.get(name)
    const rows = table?.get(jobId) ?? new Map<string, Fields>()
    table?.set(jobId, rows)
    return rows
  }
}

function jobIdOf(key: object): string {
  return 'jobId' in key ? String(key.jobId) : ''
}

function areTrue(row: Fields, conditions: readonly Condition[]): boolean {
  return conditions.every(([field, [is, value]]) => {
    const found = row[field]
    if (is === '=') return found === value
    if (is === '<>') return found !== value
    if (found === undefined || value === undefined) return false
    const order = compare(found, value)
    if (is === '<') return order < 0
    return is === '>' ? order > 0 : order <= 0
  })
}

function inOrder(a: Fields, b: Fields, fields: readonly string[]): number {
  for (const field of fields) {
    const order = compare(a[field], b[field])
    if (order !== 0) return order
  }
  return 0
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string')
    return a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b))
  return Number(a) - Number(b)
}
