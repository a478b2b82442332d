// Registers a job and claims its ticks one by one, as a process of its own that races others.
import { openLedger } from '../../src/store/open-ledger.ts'
import { parseStoreUrl } from '../../src/store/store-url.ts'

const [url = '', name = '', ticks = '0'] = process.argv.slice(2)
const signal = AbortSignal.timeout(60_000)
const ledger = await openLedger(parseStoreUrl(url))
if (ledger === undefined) throw new Error('the store should have a ledger')
const author = { lease: 'scheduler', token: 1 }
const jobs = [{ jobId: 'nightly', schedule: 'every 1s', anchorMs: 0, cursorMs: 0 }]
await ledger.tryRegister({ ...author, jobs }, signal)
const claimed: number[] = []
for (let tickMs = 1; tickMs <= Number(ticks); tickMs++) {
  const claim = {
    jobId: 'nightly',
    tickMs,
    attempt: 1,
    runId: `${name}/${tickMs}`,
    trigger: 'tick',
    correlationId: 'test',
    startedAtMs: tickMs,
    rerun: false,
    follows: undefined,
  } as const
  const reply = await ledger.tryClaim({ ...author, claims: [claim] }, signal)
  if (reply.kind === 'superseded') throw new Error('the token should be the last one')
  if (reply.outcomes[0]?.kind === 'claimed') claimed.push(tickMs)
}
process.stdout.write(JSON.stringify(claimed))
await ledger.close()
