// What `tenure status` and `tenure watch` show of a lease, without a terminal.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import type { Paint } from '../../src/cli/paint.ts'
import { statusText } from '../../src/cli/status-text.ts'
import { changesOf } from '../../src/cli/watch/changes.ts'
import { screenOf } from '../../src/cli/watch/screen.ts'
import { plainTexts, spanOf } from '../../src/cli/words.ts'
import { leaseViewOf, type LeaseView } from '../../src/dashboard/lease-view.ts'
import { createTenure, type LeaseRecord, type Status, type TermRecord } from '../../src/index.ts'

const nowMs = new Date('2026-03-04T12:00:00').getTime()
const paint: Paint = (style, text) => `<${style}>${text}</${style}>`
const noPaint: Paint = (_style, text) => text

const record: LeaseRecord = {
  holder: 'host:11:abc',
  token: 3,
  application: 'billing',
  label: 'web-1',
  ttlMs: 20_000,
  renewals: 4,
  ageMs: 1_200,
  remainingMs: 18_800,
  resignRequest: undefined,
  jobsHash: undefined,
}

function termOf(token: number, fields: Partial<TermRecord> = {}): TermRecord {
  const { holder, application, label } = record
  const startedAtMs = nowMs - (10 - token) * 60_000
  const endedAtMs = token === 3 ? undefined : startedAtMs + 60_000
  const reason = token === 3 ? undefined : 'resigned'
  return { holder, token, application, label, startedAtMs, endedAtMs, reason, ...fields }
}

const terms = [
  termOf(3),
  termOf(2, { label: 'web-2', reason: 'crashed' }),
  termOf(1, { label: undefined }),
]
const { settings, ...blank } = await createTenure({ store: 'memory:lease-screen' }).status()

function viewOf(fields: Partial<Status>): LeaseView {
  const status = { ...blank, settings, takenAtMs: nowMs, lastToken: 3, terms, lease: record }
  return plainTexts(leaseViewOf({ ...status, ...fields }))
}

const size = { columns: 90, rows: 24 }
const screen = (view: LeaseView, atMs = nowMs, paintIt = noPaint, ofSize = size): string[] =>
  screenOf({ view, failure: undefined }, atMs, ofSize, paintIt)

describe('a lease on the screen', () => {
  test('fits any size, its lines fill the screen, and the last one tells how to end', () => {
    for (const columns of [20, 40, 80, 200]) {
      for (const rows of [3, 10, 24, 60]) {
        const lines = screen(viewOf({}), nowMs, noPaint, { columns, rows })
        assert.equal(lines.length, rows)
        assert.ok(lines.every((line) => line.length < columns))
        assert.match(lines.at(-1) ?? '', /^ q quits/)
      }
    }
  })

  test('ages between two looks', () => {
    const shown = screen(viewOf({}), nowMs + 3_000).join('\n')
    assert.match(shown, /heartbeat {2}4\.2 s ago/)
    assert.match(shown, /remaining .* 15 s of 20 s/)
    assert.match(screen(viewOf({}), nowMs + 60_000).join('\n'), /0\.0 s of 20 s/)
  })

  test('the bar is as long as what remains, and turns from green to yellow and red', () => {
    const barOf = (remainingMs: number): string =>
      screen(viewOf({ lease: { ...record, remainingMs } }), nowMs, paint).find((line) =>
        line.includes('remaining'),
      ) ?? ''
    const length = (line: string): number => line.match(/━/g)?.length ?? 0
    assert.match(barOf(20_000), /<green>━+<\/green>/)
    assert.match(barOf(8_000), /<yellow>━/)
    assert.match(barOf(2_000), /<red>━/)
    assert.ok(Math.abs(length(barOf(20_000)) - 2 * length(barOf(10_000))) <= 1)
  })

  test('the timeline has a line for each leader, the last one first, and marks what nobody wanted', () => {
    const lines = screen(viewOf({}), nowMs, paint)
    const at = lines.findIndex((line) => line.startsWith(' web-1 '))
    assert.match(lines[at] ?? '', /<green>━+●<\/green>$/)
    assert.match(lines[at + 1] ?? '', /^ web-2 .*<cyan>━+<\/cyan><red>×<\/red>/)
    assert.match(lines[at + 2] ?? '', /^ host:11 .*<cyan>━+/)
    assert.match(lines[at + 3] ?? '', /^ +<dim>11:51:00 +now<\/dim>$/)
    const cells = (line = ''): string[] => [...line.matchAll(/[━·●×]/g)].map(([cell]) => cell)
    const busy = lines.slice(at, at + 3).map((line) => cells(line).map((cell) => cell !== '·'))
    assert.equal(new Set(busy.map((line) => line.length)).size, 1)
    assert.ok(
      busy[0]?.every((_, i) => busy.some((line) => line[i])),
      'somebody led all the time',
    )
  })

  test('a term that nobody saw end lasts until its lease expired, or the next one began', () => {
    const old = termOf(2, { endedAtMs: undefined, reason: undefined })
    const next = viewOf({ terms: [termOf(3), old] })
    assert.equal(next.terms[1]?.endedAtMs, termOf(3).startedAtMs)
    const lease = { ...record, ageMs: 50_000, remainingMs: 0 }
    const gone = viewOf({ lease })
    assert.equal(gone.leader, undefined)
    assert.equal(gone.terms[0]?.endedAtMs, nowMs - 30_000)
    const shown = screen(gone).join('\n')
    assert.match(shown, /○ nobody leads\n {3}the lease of web-1 with fencing token 3 has expired/)
  })

  test('what another clock has written is called unknown', () => {
    const lease = { ...record, ageMs: undefined, remainingMs: undefined }
    assert.match(screen(viewOf({ lease })).join('\n'), /heartbeat {2}unknown: .* another clock/)
    assert.match(statusText(viewOf({ lease }), noPaint), /expires +unknown: .* another clock/)
  })

  test('a store that cannot be read is told above what was seen last', () => {
    const failure = { sinceMs: nowMs - 90_000, message: 'connection refused' }
    const seen = { view: viewOf({}), failure }
    const lines = screenOf(seen, nowMs, size, noPaint)
    assert.match(lines.join('\n'), /cannot be read, for 1m 30s: connection refused\n what follows/)
    const never = screenOf({ view: undefined, failure }, nowMs, size, noPaint)
    assert.match(never.join('\n'), /connection refused/)
    const looking = screenOf({ view: undefined, failure: undefined }, nowMs, size, noPaint)
    assert.match(looking.join('\n'), /looking \.\.\./)
  })

  test('nothing that stands in the store can command the terminal', () => {
    const label = 'evil\u001B[2J\u0007'
    const view = viewOf({ lease: { ...record, label }, terms: [termOf(3, { label })] })
    const shown = screen(view).join('') + statusText(view, noPaint).replaceAll('\n', '')
    assert.doesNotMatch(shown, /\p{Cc}/u)
    assert.equal(viewOf({ storeError: 'two\nlines' }).error, 'two lines')
  })

  test('a time that was not today has its date', () => {
    const startedAtMs = nowMs - 26 * 3_600_000
    const view = viewOf({ terms: [termOf(3, { startedAtMs })] })
    assert.match(statusText(view, noPaint), /2026-03-03 10:00:00 +1d 02h {2}leads/)
  })

  test('more terms than can be shown are counted', () => {
    const many = Array.from({ length: 14 }, (_, i) => termOf(14 - i, { endedAtMs: nowMs }))
    assert.match(statusText(viewOf({ terms: many }), noPaint), /and 4 before, all in --json$/)
  })
})

describe('the changes of a lease', () => {
  const texts = (before: LeaseView | undefined, after: LeaseView): string[] =>
    changesOf(before, after).map(({ text }) => text)

  test('begin with how things stand, and are none while nothing changes', () => {
    assert.deepEqual(texts(undefined, viewOf({})), ['web-1 (host:11) leads with fencing token 3'])
    assert.deepEqual(texts(viewOf({}), viewOf({})), [])
    const nobody = viewOf({ lease: undefined, terms: [], lastToken: 0 })
    assert.deepEqual(texts(undefined, nobody), ['nobody leads, and nobody has ever led'])
    assert.deepEqual(texts(nobody, nobody), [])
  })

  test('tell also the terms that began and ended between two looks', () => {
    const before = viewOf({ lease: undefined, terms: [termOf(1)], lastToken: 1 })
    assert.deepEqual(texts(before, viewOf({})), [
      'web-2 (host:11) leads with fencing token 2',
      'the term of web-2 (host:11) with fencing token 2 is over: crashed',
      'web-1 (host:11) leads with fencing token 3',
    ])
  })

  test('tell that a lease expired, once, and the reason when it is known', () => {
    const expired = viewOf({ lease: { ...record, remainingMs: 0 } })
    assert.match(texts(viewOf({}), expired).join(), /^the lease of web-1 .* has expired$/)
    assert.deepEqual(texts(expired, expired), [])
    const ended = termOf(3, { endedAtMs: nowMs, reason: 'crashed' })
    const after = viewOf({ lease: undefined, terms: [ended] })
    assert.match(texts(expired, after).join(), /^the term of web-1 .* 3 is over: crashed$/)
  })

  test('tell that somebody asked the leader to resign', () => {
    const resignRequest = { token: 3, by: 'an operator', coolDownMs: 0 }
    const asked = viewOf({ lease: { ...record, resignRequest } })
    assert.deepEqual(texts(viewOf({}), asked), ['web-1 was asked to resign by an operator'])
    assert.deepEqual(texts(asked, asked), [])
  })

  test('tell once that the store fails, and that it answers again', () => {
    const failing = viewOf({ storeError: 'away' })
    assert.deepEqual(texts(viewOf({}), failing), ['the store cannot be read: away'])
    const known = { ...viewOf({}), error: 'away' }
    assert.deepEqual(texts(known, failing), [])
    assert.deepEqual(texts(known, viewOf({})), ['the store answers again'])
  })
})

test('spans of time are written as people say them', () => {
  const spans = [0, 940, 9_949, 9_999, 59_999, 60_000, 3_599_999, 7_380_000, 363_600_000]
  const words = [
    '0.0 s',
    '0.9 s',
    '9.9 s',
    '9.9 s',
    '59 s',
    '1m 00s',
    '59m 59s',
    '2h 03m',
    '4d 05h',
  ]
  assert.deepEqual(spans.map(spanOf), words)
})
