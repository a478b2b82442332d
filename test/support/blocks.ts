import { execFileSync } from 'node:child_process'
import { pbkdf2, pbkdf2Sync } from 'node:crypto'
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Calls `work` again and again for so long. */
function repeat(ms: number, work: () => void): void {
  const untilMs = performance.now() + ms
  while (performance.now() < untilMs) work()
}

function collectGarbage(ms: number): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const live = Array.from({ length: 2_000_000 }, (_, i) => ({ i, text: `live ${i}` }))
  repeat(ms, collect)
  if (live.length === 0) throw new Error('the objects have to outlive the collections')
}

function writeMuch(ms: number): void {
  const path = join(tmpdir(), `tenure-large-write-${process.pid}`)
  const file = openSync(path, 'w')
  const chunk = Buffer.alloc(32 * 2 ** 20)
  repeat(ms, () => {
    // One file of 1 GiB at most, written over and over.
    for (let offset = 0; offset < 2 ** 30 && offset < 8 * chunk.length; offset += chunk.length) {
      writeSync(file, chunk, 0, chunk.length, offset)
    }
    fsyncSync(file)
  })
  closeSync(file)
  rmSync(path)
}

/** Keeps all threads of libuv's pool busy; the event loop itself stays free. */
async function saturateThreadPool(ms: number): Promise<void> {
  const untilMs = performance.now() + ms
  const keepBusy = (): Promise<void> =>
    new Promise((resolve) => {
      pbkdf2('password', 'salt', 400_000, 64, 'sha512', () => {
        if (performance.now() < untilMs) void keepBusy().then(resolve)
        else resolve()
      })
    })
  await Promise.all(Array.from({ length: 16 }, keepBusy))
}

/** The ways in which an application keeps its event loop, or its thread pool, from working. */
export const blocks = {
  'busy loop': (ms: number): void => repeat(ms, () => {}),
  'synchronous crypto': (ms: number): void =>
    repeat(ms, () => void pbkdf2Sync('password', 'salt', 300_000, 64, 'sha512')),
  'catastrophic regular expression': (ms: number): void =>
    repeat(ms, () => void /^(a+)+$/.test(`${'a'.repeat(25)}!`)),
  'garbage collection': collectGarbage,
  'Atomics.wait': (ms: number): void =>
    void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  execFileSync: (ms: number): void => void execFileSync('sleep', [String(ms / 1_000)]),
  'large synchronous writes': writeMuch,
  'saturated thread pool': saturateThreadPool,
} as const satisfies Record<string, (ms: number) => void | Promise<void>>

export type BlockName = keyof typeof blocks
