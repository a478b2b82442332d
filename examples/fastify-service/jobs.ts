import type { Tenure } from '../../src/index.ts'
import type { Database } from './database.ts'
import type { Settings } from './settings.ts'

/** Schedules the jobs: every instance does, and the one that leads runs them. */
export async function scheduleJobs(
  tenure: Tenure,
  database: Database,
  { purgeEvery, rollUpEvery, backupCron }: Settings,
): Promise<void> {
  await tenure.schedule('purge-sessions', { every: purgeEvery }, (run) => {
    const purged = database.purgeSessions()
    run.log.info({ purged }, 'sessions_purged')
  })

  await tenure.schedule('roll-up-requests', { every: rollUpEvery }, (run) => {
    const requests = database.rollUp(run.fence)
    run.log.info({ requests }, 'requests_rolled_up')
  })

  const backup = { cron: backupCron, timeZone: 'UTC' }
  await tenure.schedule(
    'back-up',
    backup,
    async (run) => {
      const path = await database.backup()
      run.log.info({ path }, 'database_backed_up')
    },
    { timeout: '1m' },
  )
}
