import type { SQLInputValue } from 'node:sqlite'

import type { Conditions, LedgerRows, Put, Scan } from '../ledger/engine.ts'
import { tables, type Keys, type Table, type Tables } from '../ledger/rows.ts'
import type { Work } from './connection.ts'
import { lastTokenSql, setCounterSql } from './schema.ts'

type Statements = Parameters<Work<unknown>>[0]

const sqlNames: Readonly<Record<Table, string>> = {
  job: 'tenure_job',
  run: 'tenure_run',
  skip: 'tenure_skip',
  schedule: 'tenure_schedule',
  revision: 'tenure_schedule_revision',
}
const flags: ReadonlySet<string> = new Set(['paused', 'rerun'])

/** The column of a field, quoted: `trigger` is a word of SQL. */
function columnOf(field: PropertyKey): string {
  return `"${String(field).replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}"`
}

/** A table as SQL knows it, and its commonest statement. */
function sqlTable(name: Table) {
  const key = tables[name].key as readonly string[]
  const fields = [...key, ...(tables[name].rest as readonly string[])]
  const table = sqlNames[name]
  return {
    table,
    key,
    fields,
    selected: fields.map((field) => `${columnOf(field)} AS ${field}`).join(', '),
    isKey: ['lease', ...key.map(columnOf)].map((column) => `${column} = ?`).join(' AND '),
    insert: `INSERT INTO ${table} (lease, ${fields.map(columnOf).join(', ')})
      VALUES ${placesOf(fields.length + 1)}`,
  }
}

const sqlTables = new Map<Table, ReturnType<typeof sqlTable>>()

function updateOf(name: Table, fields: readonly string[]): string {
  const { table, isKey } = sqlTableOf(name)
  const settings = fields.map((field) => `${columnOf(field)} = ?`).join(', ')
  return `UPDATE ${table} SET ${settings} WHERE ${isKey}`
}

function sqlTableOf(name: Table): ReturnType<typeof sqlTable> {
  const known = sqlTables.get(name) ?? sqlTable(name)
  sqlTables.set(name, known)
  return known
}

/** How many rows one statement loads: a call of SQLite costs more than a row. */
const rowsMax = 100

/** The rows of one lease, within a transaction. */
export class SqliteLedgerRows implements LedgerRows {
  readonly #sql: Statements
  readonly #lease: string

  constructor(sql: Statements, lease: string) {
    this.#sql = sql
    this.#lease = lease
  }

  granted(token: number): number {
    const granted = Number(this.#sql(lastTokenSql).get(this.#lease)?.['token'])
    if (granted === token) this.#sql(setCounterSql).run(this.#lease, token)
    return granted
  }

  load<Name extends Table>(name: Name, keys: readonly Keys[Name][]): readonly Tables[Name][] {
    const { table, key: fields, selected } = sqlTableOf(name)
    const found: Tables[Name][] = []
    // By the key of each in turn: SQLite would sort the keys of an IN first.
    const isOne = fields.map((field, i) => `AND ${columnOf(field)} = column${i + 1}`).join(' ')
    for (const some of chunks(keys)) {
      const places = some.map(() => placesOf(fields.length)).join(', ')
      const wanted = fields.length === 0 ? '' : `(VALUES ${places}) CROSS JOIN`
      const rows = this.#sql(`SELECT ${selected} FROM ${wanted} ${table} WHERE lease = ? ${isOne}`)
      const values = some.flatMap((key) => valuesOf(key, fields))
      for (const row of rows.all(...values, this.#lease)) found.push(rowOf(row) as Tables[Name])
    }
    return found
  }

  scan<Name extends Table>(scan: Scan<Name>): readonly Tables[Name][] {
    const { of: name, along, where, order, beyond, but = {}, limit } = scan
    const { selected, table, key } = sqlTableOf(name)
    // Without statistics SQLite would rather go through all rows of a lease than along this index.
    const index = along === 'key' ? '' : `INDEXED BY ${table}_${along}`
    // The plus keeps it from going along the index of an order, when only one job is asked for.
    const plus = along !== 'key' || key.includes(String(order[0])) ? '' : '+'
    const direction = scan.descends === true ? ' DESC' : ''
    const orders = order.map((field) => `${plus}${columnOf(field)}${direction}`).join(', ')
    const found = `FROM ${table} ${index} WHERE lease = ?${sqlOf(where)}
      ${orders && `ORDER BY ${orders}`} LIMIT ?`
    const text =
      beyond === undefined
        ? `SELECT ${selected} ${found}`
        : `SELECT ${selected} FROM (SELECT * ${found} OFFSET ?) WHERE true${sqlOf(but)} LIMIT ?`
    const max = Number.isFinite(limit) ? limit : -1
    const limits = beyond === undefined ? [max] : [-1, beyond, ...sqlValues(but), max]
    const rows = this.#sql(text).all(this.#lease, ...sqlValues(where), ...limits)
    return rows.map((row) => rowOf(row) as Tables[Name])
  }

  put<Name extends Table>(name: Name, puts: readonly Put<Tables[Name]>[]): void {
    const { key, fields, insert } = sqlTableOf(name)
    const add = this.#sql(insert)
    let known = ''
    let update = add
    for (const { before, fields: changed } of puts) {
      if (before === undefined) {
        add.run(this.#lease, ...valuesOf(changed, fields))
        continue
      }
      const names = Object.keys(changed)
      if (names.join() !== known) update = this.#sql(updateOf(name, names))
      known = names.join()
      update.run(...valuesOf(changed, names), this.#lease, ...valuesOf(before, key))
    }
  }

  remove<Name extends Table>(name: Name, keys: readonly Keys[Name][]): void {
    const { table, key: columns, isKey } = sqlTableOf(name)
    const statement = this.#sql(`DELETE FROM ${table} WHERE ${isKey}`)
    for (const key of keys) statement.run(this.#lease, ...valuesOf(key, columns))
  }
}

function chunks<Item>(items: readonly Item[]): Item[][] {
  const count = Math.ceil(items.length / rowsMax)
  return Array.from({ length: count }, (_, i) => items.slice(i * rowsMax, (i + 1) * rowsMax))
}

function placesOf(count: number): string {
  return `(${Array.from({ length: count }, () => '?').join(', ')})`
}

function entriesOf(conditions: Conditions<object>): [string, readonly [string, SQLInputValue?]][] {
  return Object.entries(conditions)
}

/** Each after an AND. */
function sqlOf(conditions: Conditions<object>): string {
  const all = entriesOf(conditions).map(([field, [is, value]]) => {
    const nothing = is === '=' ? 'IS NULL' : 'IS NOT NULL'
    const something = is === '<>' ? 'IS NOT ?' : `${is} ?`
    return ` AND ${columnOf(field)} ${value === undefined ? nothing : something}`
  })
  return all.join('')
}

function sqlValues(conditions: Conditions<object>): SQLInputValue[] {
  return entriesOf(conditions).flatMap(([, [, value]]) => value ?? [])
}

function valuesOf(row: object, fields: readonly string[]): SQLInputValue[] {
  const values = row as Readonly<Record<string, SQLInputValue | boolean | undefined>>
  return fields.map((field) => {
    const value = values[field] ?? null
    return typeof value === 'boolean' ? Number(value) : value
  })
}

/** A row as the rules know it: what SQLite gives, with its own words for nothing and for flags. */
function rowOf(row: Record<string, unknown>): object {
  for (const field in row) {
    if (row[field] === null) row[field] = undefined
    else if (flags.has(field)) row[field] = row[field] === 1
  }
  return row
}
