import type { Superseded } from '../ledger-store.ts'
import { textOfKey, tableNames, type Keys, type Table, type Tables } from './rows.ts'

type RowsOf = { readonly [Name in Table]?: readonly Tables[Name][] }
/** Rows by what they are found by. */
export type KeysOf = { readonly [Name in Table]?: readonly Keys[Name][] }

/** What is to be true of fields. What a row lacks is neither less nor more than anything. */
export type Conditions<Row> = {
  readonly [Field in keyof Row]?: readonly [
    is: '=' | '<>' | '<' | '<=' | '>',
    value: string | number | undefined,
  ]
}

/** What is looked for otherwise than by its key. */
export interface Scan<Name extends Table> {
  readonly of: Name
  /** The index along which it is found, so that no scan reads rows that it is not about. */
  readonly along: 'key' | 'started' | 'running' | 'abandoned' | 'owed' | 'until' | 'changed'
  readonly where: Conditions<Tables[Name]>
  /** Texts are compared by their code points. */
  readonly order: readonly (keyof Tables[Name])[]
  /** Whether the order is the other way round. @default false */
  readonly descends?: boolean
  /** How many rows are passed over. @default 0 */
  readonly beyond?: number
  /** What else is to be true of a row, of those that were not passed over. */
  readonly but?: Conditions<Tables[Name]>
  readonly limit: number
}

/** Fields that a row has from now on: some of one that is there, or all of a new one. */
export interface Put<Row> {
  readonly before: Row | undefined
  readonly fields: Partial<Row>
}

/** What a call writes. */
export interface Changes {
  readonly puts: { readonly [Name in Table]?: readonly Put<Tables[Name]>[] }
  readonly removals: KeysOf
}

/** One step of a call. Looks are answered with rows. */
export type Step =
  | { readonly kind: 'load'; readonly keys: KeysOf }
  | { readonly kind: 'scan'; readonly scan: Scan<Table> }
  | { readonly kind: 'write'; readonly changes: Changes }

/**
 * A call of the ledger as steps: it yields what it wants to see and to write, is given rows, and
 * returns its reply. So one engine can answer at once, inside a transaction, and another one ask its
 * server.
 */
export type Steps<Reply> = Generator<Step, Reply, RowsOf>

/** A call, as an engine carries it out. */
export interface Call<Reply> {
  readonly lease: string
  /** The term that calls: nothing is done unless it is the last one. `undefined`: anybody. */
  readonly token: number | undefined
  /** Whether it changes nothing, or what is there, or has to be done also where nothing is yet. */
  readonly kind: 'look' | 'change' | 'create'
  readonly steps: () => Steps<Reply>
}

/**
 * What a ledger is kept in. No rule of the ledger is in an engine.
 *
 * - A call is one atomic step: all that it writes is written or nothing, and it sees no half of
 *   another one.
 * - No acquisition of the lease comes between the comparison of the token and the commit.
 */
export interface LedgerEngine {
  run<Reply>(call: Call<Reply>, signal: AbortSignal): Promise<Reply | Superseded>
  close(): Promise<void>
}

/** The rows of one lease, for an engine that answers at once: within one atomic step of its own. */
export interface LedgerRows {
  /** The last token that was granted. If it is `token`, a counter that was lost is kept again. */
  granted(token: number): number
  /** Those of the rows that are there. */
  load<Name extends Table>(name: Name, keys: readonly Keys[Name][]): readonly Tables[Name][]
  scan<Name extends Table>(scan: Scan<Name>): readonly Tables[Name][]
  put<Name extends Table>(name: Name, puts: readonly Put<Tables[Name]>[]): void
  remove<Name extends Table>(name: Name, keys: readonly Keys[Name][]): void
}

/** Where nothing is, nothing is found, and nobody has been granted anything. */
export const nothing: LedgerRows = {
  granted: () => 0,
  load: () => [],
  scan: () => [],
  put: () => {},
  remove: () => {},
}

/** Carries a call out, within one atomic step of the engine. */
export function carryOut<Reply>(
  rows: LedgerRows,
  { token, steps }: Pick<Call<Reply>, 'token' | 'steps'>,
): Reply | Superseded {
  const superseded = token === undefined ? undefined : supersededBy(token, rows.granted(token))
  if (superseded !== undefined) return superseded
  const call = steps()
  let next = call.next()
  while (next.done !== true) next = call.next(answer(rows, next.value))
  return next.value
}

/** The refusal of whoever is not the last to whom the lease was granted. */
export function supersededBy(token: number, granted: number): Superseded | undefined {
  return granted === token ? undefined : { kind: 'superseded', token: granted }
}

function answer(rows: LedgerRows, step: Step): RowsOf {
  switch (step.kind) {
    case 'load':
      return forEachTable(step.keys, (name, keys) => rows.load(name, keys as never))
    case 'scan':
      return { [step.scan.of]: rows.scan(step.scan) }
    case 'write': {
      forEachTable(step.changes.puts, (name, puts) => rows.put(name, puts as never))
      forEachTable(step.changes.removals, (name, keys) => rows.remove(name, keys as never))
      return {}
    }
  }
}

/** What becomes of the rows or keys of each table. */
function forEachTable(
  of: { readonly [Name in Table]?: readonly unknown[] },
  make: (name: Table, items: readonly unknown[]) => unknown,
): RowsOf {
  return Object.fromEntries(
    tableNames.flatMap((name) => {
      const items = of[name] ?? []
      return items.length === 0 ? [] : [[name, make(name, items)]]
    }),
  )
}

/** The rows that a call has loaded, as they are after the changes so far. */
export class Draft {
  readonly #loaded = new Map<string, object>()
  readonly #changed = new Map<string, Put<object> & { readonly name: Table }>()

  constructor(rows: RowsOf) {
    for (const name of tableNames) {
      for (const row of rows[name] ?? []) this.#loaded.set(textOfKey(name, row), row)
    }
  }

  get<Name extends Table>(name: Name, key: Keys[Name]): Tables[Name] | undefined {
    const place = textOfKey(name, key)
    const row = this.#loaded.get(place)
    const changed = this.#changed.get(place)?.fields
    return (changed === undefined ? row : { ...row, ...changed }) as Tables[Name] | undefined
  }

  /** Adds a row, all of it; or changes some fields of the one that there is. */
  put<Name extends Table>(name: Name, key: Keys[Name], fields: Partial<Tables[Name]>): void {
    const place = textOfKey(name, key)
    const before = this.#loaded.get(place)
    const earlier = this.#changed.get(place)?.fields
    const changed = earlier === undefined ? fields : { ...earlier, ...fields }
    this.#changed.set(place, { name, before, fields: changed })
  }

  /** What is to be written. */
  get puts(): Changes['puts'] {
    const puts: { [Name in Table]?: Put<object>[] } = {}
    for (const put of this.#changed.values()) (puts[put.name] ??= []).push(put)
    return puts as Changes['puts']
  }
}
