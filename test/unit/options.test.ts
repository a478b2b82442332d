import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import {
  createTenure,
  optionNames,
  TenureError,
  type ErrorCode,
  type TenureOptions,
} from '../../src/index.ts'
import {
  environmentNames,
  reconfigurable,
  resolveFixed,
  resolveRunning,
} from '../../src/options.ts'
import { createTestTenure } from '../../src/testing/index.ts'

const store = 'memory:options'

/** What is wrong has the code, and the sentence says what was expected and received. */
function refused(options: unknown, code: ErrorCode, ...parts: (string | RegExp)[]): void {
  let error: unknown
  try {
    createTenure(options as TenureOptions)
  } catch (caught) {
    error = caught
  }
  assert.ok(error instanceof TenureError, `accepted: ${JSON.stringify(options)}`)
  assert.equal(error.code, code, error.message)
  assert.match(error.message, /^Expected .*\.$/s)
  for (const part of parts) assert.match(error.message, new RegExp(part))
}

describe('the options', () => {
  test('the defaults are the classic heartbeat: every 5 s, a timeout of 5 s', () => {
    const { settings } = createTenure({ store })
    assert.deepEqual(settings, {
      store: 'memory:options',
      lease: 'scheduler',
      // That of the package.json nearest to this test.
      application: 'tenure',
      label: undefined,
      heartbeatIn: 'main',
      history: { runs: 100, ageMs: 604_800_000 },
      witness: false,
      ttlMs: 20_000,
      heartbeatMs: 5_000,
      attemptTimeoutMs: 5_000,
      retryBackoffMs: 500,
      stopGraceMs: 2_000,
      safetyMarginMs: 1_000,
      stallLimitMs: 60_000,
      onStall: 'expire',
      drainMs: 10_000,
      eligible: true,
    })
  })

  test('the short set passes', () => {
    const { settings } = createTenure({ store, ttl: '6s', heartbeat: '2s', attemptTimeout: '1s' })
    assert.equal(settings.safetyMarginMs, 560)
    assert.equal(settings.stopGraceMs, 600)
  })

  test('options come before the environment, and that before the defaults', () => {
    const environment = { TENURE_TTL: '30s', TENURE_HEARTBEAT: '6s', TENURE_LABEL: 'blue' }
    const settings = resolveRunning({ heartbeat: '7s' }, environment)
    assert.equal(settings.ttlMs, 30_000)
    assert.equal(settings.heartbeatMs, 7_000)
    assert.equal(resolveFixed({ store }, environment).label, 'blue')
  })

  test('every option but the logger and `history` has a variable, and an empty one counts as not set', () => {
    for (const [key, variable] of Object.entries(environmentNames)) {
      assert.equal(variable, `TENURE_${key.replace(/[A-Z]/g, '_$&').toUpperCase()}`)
    }
    assert.equal(resolveRunning({}, { TENURE_TTL: '' }).ttlMs, 20_000)
    assert.equal(resolveFixed({}, { TENURE_STORE: 'memory:env' }).store, 'memory:env')
  })

  test('`eligible` is a flag, and a word in the environment', () => {
    assert.equal(resolveRunning({}, { TENURE_ELIGIBLE: 'false' }).eligible, false)
    assert.equal(resolveRunning({ eligible: true }, { TENURE_ELIGIBLE: 'false' }).eligible, true)
    for (const eligible of [0, 'no', null]) {
      refused({ store, eligible }, 'TENURE_ERR_OPTION_TYPE', 'eligible', 'true, false')
    }
    assert.throws(() => resolveRunning({}, { TENURE_ELIGIBLE: '0' }), {
      code: 'TENURE_ERR_OPTION_TYPE',
      message: /eligible \(TENURE_ELIGIBLE\).*"0"/,
    })
  })

  test('a wrong variable is named in the error', () => {
    assert.throws(() => resolveRunning({}, { TENURE_TTL: '20' }), {
      code: 'TENURE_ERR_DURATION',
      message: /ttl \(TENURE_TTL\)/,
    })
    assert.throws(() => resolveFixed({ store }, { TENURE_HEARTBEAT_IN: 'cloud' }), {
      message: /heartbeatIn \(TENURE_HEARTBEAT_IN\).*thread, main.*"cloud"/,
    })
  })

  test('without any, the environment says it all', () => {
    const before = process.env['TENURE_STORE']
    process.env['TENURE_STORE'] = 'memory:environment'
    try {
      assert.equal(createTenure().settings.store, 'memory:environment')
      assert.equal(createTenure({ store: undefined }).settings.store, 'memory:environment')
    } finally {
      if (before === undefined) delete process.env['TENURE_STORE']
      else process.env['TENURE_STORE'] = before
    }
  })

  test('a Tenure for tests takes all but those that it has by itself', () => {
    for (const name of optionNames) {
      const make = (): unknown => createTestTenure({ [name]: undefined })
      if (!['store', 'heartbeatIn', 'witness'].includes(name)) make()
      else assert.throws(make, { code: 'TENURE_ERR_OPTION_UNKNOWN' })
    }
    assert.equal(createTestTenure({ history: { runs: 7 } }).settings.history.runs, 7)
  })

  test('undefined is the same as left out', () => {
    const { settings } = createTenure({
      store,
      ttl: undefined,
      label: undefined,
      logger: undefined,
    })
    assert.equal(settings.ttlMs, 20_000)
  })

  test('of the history of runs as much is kept as `history` says', () => {
    const week = 7 * 86_400_000
    assert.deepEqual(createTenure({ store }).settings.history, { runs: 100, ageMs: week })
    const { history } = createTenure({ store, history: { runs: 5 } }).settings
    assert.deepEqual(history, { runs: 5, ageMs: week })
    const aged = createTenure({ store, history: { age: '1h' } }).settings.history
    assert.deepEqual(aged, { runs: 100, ageMs: 3_600_000 })
  })

  test('there is no default for the store', () => {
    refused({}, 'TENURE_ERR_OPTION_TYPE', 'TENURE_STORE', 'got nothing', 'all lead')
    refused(undefined, 'TENURE_ERR_OPTION_TYPE', 'TENURE_STORE', 'got nothing')
  })

  test('options that are no object, and unknown ones, are refused', () => {
    refused(null, 'TENURE_ERR_OPTION_TYPE', 'to be an object', 'null')
    refused('sqlite:x', 'TENURE_ERR_OPTION_TYPE')
    refused([], 'TENURE_ERR_OPTION_TYPE', 'an array')
    refused({ store, tll: '20s' }, 'TENURE_ERR_OPTION_UNKNOWN', 'ttl', 'got \\[tll\\]')
    // Options that are not built yet do not exist.
    refused({ store, weight: 1 }, 'TENURE_ERR_OPTION_UNKNOWN', 'weight')
  })

  test('every wrong type is refused', () => {
    const wrong: Record<string, unknown[]> = {
      ttl: [null, true, '20', '20 s', 's', '-1s', '1e3s', '', {}, [], Number.NaN, Infinity, -1],
      heartbeat: ['5 seconds', '٥s'],
      attemptTimeout: [{}],
      retryBackoff: ['0.5'],
      stopGrace: ['-1s'],
      safetyMargin: [false],
      stallLimit: ['1w'],
      drain: ['10001d'],
    }
    for (const [key, values] of Object.entries(wrong)) {
      for (const value of values) refused({ store, [key]: value }, 'TENURE_ERR_DURATION', key)
    }
    for (const value of ['kill!', 1, null, {}]) {
      refused({ store, onStall: value }, 'TENURE_ERR_OPTION_TYPE', 'onStall', 'expire, kill')
      refused(
        { store, heartbeatIn: value },
        'TENURE_ERR_OPTION_TYPE',
        'heartbeatIn',
        'thread, main',
      )
      refused({ store, witness: value }, 'TENURE_ERR_OPTION_TYPE', 'witness', 'auto, warm, false')
    }
    for (const value of [1, {}, '', 'x'.repeat(256), 'a\nb']) {
      refused({ store, application: value }, 'TENURE_ERR_OPTION_TYPE', 'application')
      refused({ store, label: value }, 'TENURE_ERR_OPTION_TYPE', 'label')
    }
    refused({ store, logger: {} }, 'TENURE_ERR_OPTION_TYPE', 'logger', 'debug, info, warn, error')
    refused({ store, logger: 'console' }, 'TENURE_ERR_OPTION_TYPE')
    refused({ store, logger: null }, 'TENURE_ERR_OPTION_TYPE')
    refused({ store, history: 5 }, 'TENURE_ERR_OPTION_TYPE', 'history')
    refused(
      { store, history: { days: 5 } },
      'TENURE_ERR_OPTION_UNKNOWN',
      'history',
      'runs, age',
      'days',
    )
    refused(
      { store, history: { runs: 0 } },
      'TENURE_ERR_OPTION_TYPE',
      'history.runs',
      '1 to 10000; got 0',
    )
    refused({ store, history: { age: 'long' } }, 'TENURE_ERR_DURATION', 'history.age', 'long')
  })

  test('a lease name that is empty, too long or has control characters is refused', () => {
    for (const lease of [
      '',
      'x'.repeat(256),
      'ä'.repeat(128),
      'a\0b',
      'a\u007Fb',
      '\u0085',
      7,
      null,
    ]) {
      refused({ store, lease }, 'TENURE_ERR_LEASE_NAME', '1 to 255 bytes', 'control characters')
    }
    refused({ store, lease: '\uD800' }, 'TENURE_ERR_LEASE_NAME')
    assert.equal(createTenure({ store, lease: 'ä'.repeat(127) }).settings.lease.length, 127)
  })

  test('a memory store cannot be served by a thread', () => {
    refused({ store, heartbeatIn: 'thread' }, 'TENURE_ERR_OPTION_RELATION', 'memory:', 'main')
  })

  test('the witness is on where there can be a second process, and off in the memory of one', () => {
    const witnessOf = (options: Partial<TenureOptions>, environment = {}): unknown =>
      resolveFixed(options, environment).witness
    const file = 'sqlite:./options.db'
    assert.equal(witnessOf({ store: file }), 'auto')
    assert.equal(witnessOf({ store: file, witness: false }), false)
    assert.equal(witnessOf({ store: file }, { TENURE_WITNESS: 'false' }), false)
    assert.equal(witnessOf({ store: file }, { TENURE_WITNESS: 'warm' }), 'warm')
    assert.equal(witnessOf({ store, witness: 'auto' }), false)
    refused({ store, witness: 'warm' }, 'TENURE_ERR_OPTION_RELATION', 'memory:', 'Leave')
  })

  test('a module of one’s own has to be absolute, and its options plain data', () => {
    refused({ store: { module: './my-store.js' } }, 'TENURE_ERR_STORE_MODULE', 'import.meta.url')
    refused({ store: { module: 5 } }, 'TENURE_ERR_STORE_MODULE')
    refused({ store: { module: 'x', options: () => {} } }, 'TENURE_ERR_STORE_MODULE', 'plain data')
    refused({ store: { module: 'x', url: 'y' } }, 'TENURE_ERR_OPTION_UNKNOWN', 'url')
    refused({ store: 7 }, 'TENURE_ERR_OPTION_TYPE')
  })
})

describe('the relations between the settings', () => {
  test('each is checked, and names the rule, both values and what would satisfy it', () => {
    const relation = 'TENURE_ERR_OPTION_RELATION'
    refused(
      { store, ttl: '6s' },
      relation,
      '`heartbeat` to be at most `ttl` / 3',
      'heartbeat 5s and ttl 6s',
      'heartbeat to 1560ms or less and attemptTimeout to 1560ms or less, or set ttl to 18236ms',
    )
    refused(
      { store, ttl: '15s' },
      relation,
      '`attemptTimeout` to be less than `ttl` / 3',
      'attemptTimeout 5s and ttl 15s',
    )
    refused({ store, safetyMargin: '600ms' }, relation, '`safetyMargin`', '1 %', '700ms or more')
    refused(
      { store, retryBackoff: '3s' },
      relation,
      '`retryBackoff`',
      '18s',
      '17s',
      'retryBackoff to 2s or less',
    )
    refused({ store, stopGrace: '4s' }, relation, '`stopGrace`')
    refused(
      { store, stallLimit: '19s' },
      relation,
      '`stallLimit`',
      'busy is not dead',
      '20s or more',
    )
    for (const key of ['ttl', 'heartbeat', 'attemptTimeout', 'retryBackoff']) {
      refused({ store, [key]: 0 }, relation, `\`${key}\` to be above 0`)
    }
  })

  test('the ttl has to be one that the store can carry', async () => {
    const times = { ttl: 1_500, heartbeat: 200, attemptTimeout: 100, stopGrace: 0 } as const
    const tenure = createTenure({ store: 'sqlite:./never-opened.db', ...times })
    await assert.rejects(tenure.start(), {
      code: 'TENURE_ERR_OPTION_RELATION',
      message: /`ttl` to be at least 2s with this store; got 1.5s/,
    })
    await tenure.stop()
  })
})

describe('reconfigure', () => {
  test('changes what may change while running, and the settings show it', () => {
    const tenure = createTenure({ store })
    tenure.reconfigure({ ttl: '30s', heartbeat: '8s' })
    assert.equal(tenure.settings.ttlMs, 30_000)
    assert.equal(tenure.settings.heartbeatMs, 8_000)
    assert.equal(tenure.settings.retryBackoffMs, 800)
  })

  test('refuses what is fixed, unknown or contradictory, and then changes nothing', () => {
    const tenure = createTenure({ store })
    const before = tenure.settings
    const running: readonly string[] = reconfigurable
    for (const key of optionNames.filter((name) => !running.includes(name))) {
      assert.throws(() => tenure.reconfigure({ [key]: 'x' }), { code: 'TENURE_ERR_RECONFIGURE' })
    }
    assert.throws(() => tenure.reconfigure({ tll: 5 } as object), {
      code: 'TENURE_ERR_OPTION_UNKNOWN',
    })
    assert.throws(() => tenure.reconfigure({ ttl: '6s' }), { code: 'TENURE_ERR_OPTION_RELATION' })
    assert.throws(() => tenure.reconfigure(undefined as never), { code: 'TENURE_ERR_OPTION_TYPE' })
    assert.deepEqual(tenure.settings, before)
  })
})
