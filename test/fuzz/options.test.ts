// Options and environment at random: what is accepted keeps the rules of docs/options.md, written
// down here once more, and what keeps them is accepted.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import fc from 'fast-check'

import { createTenure, parseDuration, TenureError, type TenureOptions } from '../../src/index.ts'
import {
  environmentNames,
  resolveRunning,
  type FixedSettings,
  type ReconfigurableOptions,
  type RunningSettings,
} from '../../src/options.ts'
import { SettingsInForce } from '../../src/options/settings-in-force.ts'

const store = 'memory:options'

/** The settings that are times, in whole milliseconds; what is left out has its default. */
interface Times {
  readonly ttl?: number
  readonly heartbeat?: number
  readonly attemptTimeout?: number
  readonly retryBackoff?: number
  readonly stopGrace?: number
  readonly safetyMargin?: number
  readonly stallLimit?: number
}

/** The rules that times break: the table and the relations of the document, in thousandths of ms. */
function brokenRules(times: Times): string[] {
  const unit = 1_000
  const ttl = (times.ttl ?? 20_000) * unit
  const heartbeat = (times.heartbeat ?? 5_000) * unit
  const attempt = (times.attemptTimeout ?? 5_000) * unit
  const backoff = times.retryBackoff === undefined ? heartbeat / 10 : times.retryBackoff * unit
  const grace = times.stopGrace === undefined ? ttl / 10 : times.stopGrace * unit
  const leastMargin = ttl / 100 + 500 * unit
  const margin = times.safetyMargin ?? Math.max(ttl / 20, leastMargin) / unit
  const stallLimit = (times.stallLimit ?? 60_000) * unit
  const rules: [string, boolean][] = [
    ['T > 0', ttl > 0],
    ['R > 0', heartbeat > 0],
    ['A > 0', attempt > 0],
    ['b > 0', backoff > 0],
    ['R <= T / 3', 3 * heartbeat <= ttl],
    ['A < T / 3', 3 * attempt < ttl],
    ['e >= 0.01 T + 0.5 s', margin * unit >= leastMargin],
    ['R + 2 A + b <= T - G - e', heartbeat + 2 * attempt + backoff <= ttl - grace - margin * unit],
    ['stallLimit >= T', stallLimit >= ttl],
  ]
  return rules.filter(([, holds]) => !holds).map(([rule]) => rule)
}

/** Times at and around the borders of the rules, where a wrong sign or a rounding would show. */
const times: fc.Arbitrary<Times> = fc
  .record({
    ttl: fc.oneof(
      fc.integer({ min: 0, max: 100_000 }),
      fc.nat(300).map((n) => n * 100),
    ),
    off: fc.array(fc.integer({ min: -1, max: 1 }), { minLength: 6, maxLength: 6 }),
    heartbeat: fc.nat(40_000),
    attemptTimeout: fc.nat(40_000),
    retryBackoff: fc.nat(5_000),
    stopGrace: fc.nat(10_000),
    near: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  })
  .chain(({ ttl, off, near, ...random }) => {
    const pick = (i: number, border: number, other: number): number =>
      near[i] ? Math.max(0, border + (off[i] ?? 0)) : other
    const heartbeat = pick(0, Math.floor(ttl / 3), random.heartbeat)
    const attemptTimeout = pick(1, Math.floor(ttl / 3), Math.floor(random.attemptTimeout / 8))
    const safetyMargin = pick(2, Math.ceil(ttl / 100) + 500, random.stopGrace)
    const left = ttl - safetyMargin - heartbeat - 2 * attemptTimeout
    const stopGrace = pick(3, Math.max(0, left - random.retryBackoff), random.stopGrace)
    const all = {
      ttl,
      heartbeat,
      attemptTimeout,
      safetyMargin,
      stopGrace,
      retryBackoff: random.retryBackoff,
      stallLimit: pick(4, ttl, 60_000),
    }
    return fc
      .subarray(Object.keys(all) as (keyof typeof all)[])
      .map((keys) => Object.fromEntries(keys.map((key) => [key, all[key]])))
  })

/** The same times, each as an option or in the environment, as a number or a text. */
function spread(
  times: Times,
  how: readonly number[],
): { options: ReconfigurableOptions; environment: Record<string, string> } {
  const options: Record<string, unknown> = {}
  const environment: Record<string, string> = {}
  for (const [i, [key, ms]] of Object.entries(times).entries()) {
    const name = environmentNames[key as keyof typeof environmentNames]
    switch (how[i]) {
      case 0:
        options[key] = ms
        break
      case 1:
        options[key] = `${ms}ms`
        // An option comes before the environment, whatever that is.
        environment[name] = 'nonsense'
        break
      case 2:
        environment[name] = `${ms / 1_000}s`
        break
      default:
        environment[name] = `${ms}ms`
    }
  }
  return { options, environment }
}

const how = fc.array(fc.nat(3), { minLength: 7, maxLength: 7 })

describe('any times', () => {
  test('are accepted if they keep the rules of the document, and refused by name if not', () => {
    let accepted = 0
    const property = fc.property(times, how, (times, how) => {
      const broken = brokenRules(times)
      const { options, environment } = spread(times, how)
      let settings: RunningSettings
      try {
        settings = resolveRunning(options, environment)
      } catch (error) {
        assert.ok(error instanceof TenureError, String(error))
        assert.equal(error.code, 'TENURE_ERR_OPTION_RELATION', error.message)
        assert.notDeepEqual(broken, [], error.message)
        return
      }
      accepted++
      assert.deepEqual(broken, [])
      for (const [key, ms] of Object.entries(times)) {
        assert.equal(settings[`${key as keyof Times}Ms`], ms, key)
      }
    })
    fc.assert(property, { numRuns: 5_000 })
    assert.ok(accepted > 100, `${accepted} were accepted: nothing was shown`)
  })

  test('change a running Tenure as a whole or not at all', () => {
    const property = fc.property(fc.array(times, { maxLength: 5 }), (changes) => {
      const tenure = createTenure({ store })
      let expected: Times = {}
      for (const change of changes) {
        const before = tenure.settings
        const next = { ...expected, ...change }
        try {
          tenure.reconfigure(change)
          assert.deepEqual(brokenRules(next), [])
          expected = next
        } catch (error) {
          assert.ok(error instanceof TenureError, String(error))
          assert.deepEqual(tenure.settings, before)
        }
      }
    })
    fc.assert(property, { numRuns: 500 })
  })

  test('in an environment that changes under a running program: the last good ones stay', () => {
    const fixed: FixedSettings = {
      store,
      lease: 'scheduler',
      application: 'application',
      label: undefined,
      heartbeatIn: 'main',
      history: { runs: 100, ageMs: 7 * 86_400_000 },
      witness: false,
    }
    const value = fc.oneof(fc.constantFrom('18s', '20s', '30s', '', '6s'), fc.string())
    const writes = fc.array(
      fc.record({ name: fc.constantFrom('TENURE_TTL', 'TENURE_HEARTBEAT'), value }),
    )
    const property = fc.property(writes, (writes) => {
      const environment: Record<string, string> = {}
      const faults: unknown[] = []
      const settings = new SettingsInForce(fixed, {}, environment, (error) => faults.push(error))
      let last = settings.current
      for (const { name, value } of writes) {
        environment[name] = value
        const before = faults.length
        const now = settings.current
        const again = settings.current
        assert.deepEqual(again, now)
        let good = true
        try {
          resolveRunning({}, environment)
        } catch {
          good = false
        }
        if (!good) assert.deepEqual(now, last)
        else assert.equal(faults.length, before)
        assert.ok(faults.length <= before + 1, 'a fault is told once')
        last = now
      }
    })
    fc.assert(property, { numRuns: 500 })
  })
})

describe('any values', () => {
  const value = fc.oneof(
    fc.integer({ min: -10, max: 100_000 }),
    fc.double(),
    fc
      .tuple(fc.nat(100_000), fc.constantFrom('ms', 's', 'm', 'x', ''))
      .map((parts) => parts.join('')),
    fc.anything({
      withBigInt: true,
      withDate: true,
      withNullPrototype: true,
      withObjectString: true,
    }),
  )

  test('for options are refused with a TenureError, or resolve to what the types say', () => {
    const keys = [...Object.keys(environmentNames), 'logger', 'witnes', '__proto__', 'toString']
    const options = fc
      .dictionary(fc.constantFrom(...keys), value, { maxKeys: 4 })
      .map((options): object => ({ store, ...options }))
    const property = fc.property(fc.oneof({ weight: 9, arbitrary: options }, value), (options) => {
      let settings
      try {
        ;({ settings } = createTenure(options as TenureOptions))
      } catch (error) {
        assert.ok(error instanceof TenureError, String(error))
        assert.match(error.message, /^Expected [^]*\.$/)
        return
      }
      const { ttlMs, heartbeatMs, attemptTimeoutMs, retryBackoffMs, drainMs } = settings
      const { stopGraceMs, safetyMarginMs, stallLimitMs } = settings
      for (const ms of [drainMs, stopGraceMs]) assert.ok(Number.isFinite(ms) && ms >= 0)
      assert.ok(3 * heartbeatMs <= ttlMs * (1 + 1e-12) && 3 * attemptTimeoutMs < ttlMs)
      const needed = heartbeatMs + 2 * attemptTimeoutMs + retryBackoffMs
      assert.ok(needed <= ttlMs - stopGraceMs - safetyMarginMs)
      assert.ok(safetyMarginMs >= 0.01 * ttlMs + 499.999 && stallLimitMs >= ttlMs)
      assert.ok(['expire', 'kill'].includes(settings.onStall))
      for (const name of [settings.lease, settings.application ?? 'x', settings.label ?? 'x']) {
        assert.ok(name !== '' && Buffer.byteLength(name) <= 255 && !/\p{Cc}/u.test(name))
      }
    })
    fc.assert(property, { numRuns: 3_000 })
  })

  test('in the environment are refused with the name of their variable', () => {
    const names = Object.values(environmentNames).filter((name) => name !== 'TENURE_STORE')
    const pair = fc.tuple(fc.constantFrom(...names), fc.string({ unit: 'binary' }))
    const property = fc.property(pair, ([name, value]) => {
      const before = process.env[name]
      // The real environment cannot hold everything, and what it holds is what is resolved.
      process.env[name] = value
      try {
        createTenure({ store, ttl: '30s', stallLimit: '10000d' })
      } catch (error) {
        assert.ok(error instanceof TenureError, String(error))
        const about = error.code === 'TENURE_ERR_OPTION_RELATION' ? 'Expected' : `(${name})`
        assert.ok(error.message.includes(about), error.message)
      } finally {
        if (before === undefined) delete process.env[name]
        else process.env[name] = before
      }
    })
    fc.assert(property, { numRuns: 1_000 })
  })
})

/** What a hint asks for: the alternatives, each a set of options to change; `undefined` to leave out. */
function alternativesOf(message: string): Record<string, number | undefined>[] {
  const hint = /\. ([^.].*)\.$/s.exec(message.slice(message.lastIndexOf('; got')))?.[1] ?? ''
  if (hint === 'Leave all of these settings out') {
    return [Object.fromEntries([...timeNames, 'drain'].map((name) => [name, undefined]))]
  }
  return hint.split(', or ').map((alternative) => {
    const changes = alternative.split(' and ').map((part): [string, number | undefined] => {
      const left = /^leave (\w+) out$/i.exec(part)?.[1]
      if (left !== undefined) return [left, undefined]
      const [, name, value] =
        /^(?:set )?(\w+) to ([\d.]+\w+)(?: or (?:less|more))?$/i.exec(part) ?? []
      assert.ok(
        name !== undefined && value !== undefined,
        `no hint that can be followed: ${message}`,
      )
      return [name, parseDuration(value, name)]
    })
    return Object.fromEntries(changes)
  })
}

const timeNames = [
  'ttl',
  'heartbeat',
  'attemptTimeout',
  'retryBackoff',
  'stopGrace',
  'safetyMargin',
  'stallLimit',
] as const

describe('a hint', () => {
  test('is accepted when it is followed, whatever was wrong, to the letter', () => {
    const wild = fc.record(
      Object.fromEntries(
        timeNames.map((name) => [
          name,
          fc.oneof(
            fc.nat(100_000),
            fc.double({ min: 0, max: 20_000, noNaN: true }),
            fc.constantFrom(0, 0.001, 1, 864_000_000_000),
          ),
        ]),
      ),
      { requiredKeys: [] },
    )
    let followed = 0
    const property = fc.property(
      fc.oneof(times, wild),
      (given: Times | Record<string, number | undefined>) => {
        let message: string
        try {
          resolveRunning(given, {})
          return
        } catch (error) {
          assert.ok(error instanceof TenureError && error.code === 'TENURE_ERR_OPTION_RELATION')
          message = error.message
        }
        const alternatives = alternativesOf(message)
        assert.ok(alternatives.length > 0, message)
        for (const changes of alternatives) {
          followed++
          assert.doesNotThrow(() => resolveRunning({ ...given, ...changes }, {}), message)
        }
      },
    )
    fc.assert(property, {
      numRuns: 4_000,
      examples: [
        [{ ttl: 5_000 }],
        [{ ttl: 5_000, attemptTimeout: 1_000 }],
        [{ ttl: 2 }],
        [{ heartbeat: 864_000_000_000, ttl: 1 }],
        [{ safetyMargin: 600, heartbeat: 30_000 }],
        [{ stallLimit: 30_000, heartbeat: 20_000 }],
      ],
    })
    assert.ok(followed > 1_000, `${followed} hints were followed: nothing was shown`)
  })
})
