import { setTimeout as sleep } from 'node:timers/promises'

import type { Run, Tenure } from '../../src/index.ts'
import type { Database } from './database.ts'
import type { Settings } from './settings.ts'

/** In so many parts a backup tells how far it is. */
const backupParts = 10

/**
 * Schedules the jobs: every instance does, and the one that leads runs them. Their ticks stand in the
 * ledger, so that the next leader knows which were missed, and which runs were left unfinished.
 */
export async function scheduleJobs(
  tenure: Tenure,
  database: Database,
  { purgeEvery, rollUpEvery, backupCron, backupMs }: Settings,
): Promise<void> {
  await tenure.schedule('purge-sessions', { every: purgeEvery }, (run) => {
    const purged = database.purgeSessions()
    run.log.info({ purged }, 'sessions_purged')
  })

  await tenure.schedule('roll-up-requests', { every: rollUpEvery }, (run) => {
    const requests = database.rollUp(run.fence)
    run.log.info({ requests }, 'requests_rolled_up')
  })

  await tenure.schedule(
    'back-up',
    { cron: backupCron, timeZone: 'UTC' },
    async (run) => {
      await passFor(backupMs, run)
      const path = await database.backup()
      run.log.info({ path }, 'database_backed_up')
    },
    // A copy that was left unfinished is worth nothing: the next leader makes it again.
    { timeout: '1m', onCrash: 'rerun' },
  )
}

/** The copy of a database this small is over at once; this is the time that a large one takes. */
async function passFor(totalMs: number, run: Run): Promise<void> {
  for (let part = 0; part < backupParts; part++) {
    run.progress(part / backupParts)
    await sleep(totalMs / backupParts, undefined, { signal: run.signal })
  }
}
