import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { TenureError } from '../../src/errors.ts'
import { StartFailures, type StartTrial } from '../../src/schedule/start-failures.ts'

/** A judge, with the terms that it has given up, and one that leads until it is told otherwise. */
class Judge {
  readonly resigned: { token: number; failures: number }[] = []
  readonly failures = new StartFailures({
    resign: (token, failures) => void this.resigned.push({ token, failures }),
  })
  leads = true

  trial(token: number): StartTrial {
    return this.failures.trialOf(token, () => this.leads)
  }

  /** A write that fails so often, with a renewal before each attempt. */
  fail(token: number, times: number): void {
    const trial = this.trial(token)
    for (let i = 0; i < times; i++) {
      this.failures.renewed()
      attempt(trial)
    }
  }
}

/** One attempt that fails. */
function attempt(trial: StartTrial, error: unknown = new Error('no answer')): void {
  trial.sent()
  trial.failed(error)
}

describe('a leader whose jobs fail to start', () => {
  test('resigns at the third failure of one write, if the lease was renewed since the first', () => {
    const judge = new Judge()
    const trial = judge.trial(7)
    attempt(trial)
    judge.failures.renewed()
    attempt(trial)
    assert.deepEqual(judge.resigned, [])
    attempt(trial)
    assert.deepEqual(judge.resigned, [{ token: 7, failures: 3 }])
  })

  test('does not while the lease is not renewed either: the store is away for everybody', () => {
    const judge = new Judge()
    judge.failures.renewed()
    const trial = judge.trial(7)
    for (let i = 0; i < 50; i++) attempt(trial)
    trial.sent()
    // The lease is renewed while the attempt is under way: it may be one of before.
    judge.failures.renewed()
    trial.failed(new Error('no answer'))
    assert.deepEqual(judge.resigned, [])
    attempt(trial)
    assert.equal(judge.resigned.length, 1)
  })

  test('counts each write, and so anew after each success and in each term', () => {
    const judge = new Judge()
    for (let write = 0; write < 10; write++) judge.fail(7, 2)
    judge.fail(9, 2)
    assert.deepEqual(judge.resigned, [])
  })

  test('does not where the store answers that nobody can use it as it is', () => {
    const judge = new Judge()
    const trial = judge.trial(7)
    for (let i = 0; i < 10; i++) {
      judge.failures.renewed()
      attempt(trial, new TenureError('TENURE_ERR_STORE_UNUSABLE', 'The role lacks a right.'))
    }
    assert.deepEqual(judge.resigned, [])
  })

  test('does not while its term ends already', () => {
    const judge = new Judge()
    judge.leads = false
    judge.fail(7, 10)
    assert.deepEqual(judge.resigned, [])
  })

  test('resigns once, though it is judged again until its term is over', () => {
    const judge = new Judge()
    judge.fail(7, 10)
    judge.fail(7, 10)
    assert.equal(judge.resigned.length, 1)
  })

  test('leads on where nobody else has led since; else it resigns in its next term, too', () => {
    const judge = new Judge()
    judge.fail(7, 10)
    judge.fail(8, 10)
    assert.deepEqual(judge.resigned, [{ token: 7, failures: 3 }])
    judge.fail(10, 10)
    judge.fail(12, 10)
    assert.deepEqual(
      judge.resigned.map(({ token }) => token),
      [7, 10, 12],
    )
  })
})
