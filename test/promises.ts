/** A promise of the project, and the tests that show it: all tests of these files, by name. */
export interface Promised {
  readonly promise: string
  readonly shownBy: readonly { readonly file: string; readonly tests?: RegExp }[]
}

/** What the table at the end of `npm test` tells. A promise without a test that ran is a failure. */
export const promises: readonly Promised[] = [
  {
    promise: 'Busy is not dead: blocked in eight ways for three ttls, same token',
    shownBy: [{ file: 'processes/busy', tests: /keeps the lease and its token/ }],
  },
  {
    promise: 'The control, with the heartbeat on the event loop, loses',
    shownBy: [{ file: 'processes/busy', tests: /loses the lease to a candidate/ }],
  },
  {
    promise: 'Hung is not alive: blocked past stallLimit, another leads',
    shownBy: [{ file: 'processes/stall' }],
  },
  {
    promise: 'A frozen leader is replaced, knows it on waking, changes nothing',
    shownBy: [{ file: 'processes/frozen' }],
  },
  {
    promise: 'A fenced database never shows a lower token after a higher; unfenced it does',
    shownBy: [{ file: 'fencing/' }],
  },
  {
    promise: 'Every exit that still runs JavaScript hands over at once',
    shownBy: [{ file: 'processes/exits' }, { file: 'fastify/', tests: /SIGTERM/ }],
  },
  {
    promise: 'kill -9: the witness releases, long before the ttl; nothing while it lives',
    shownBy: [{ file: 'processes/witness' }, { file: 'unit/witness' }],
  },
  {
    promise: 'No wall clock matters',
    shownBy: [{ file: 'processes/wall-clock' }, { file: 'stores/', tests: /clock set wrong/ }],
  },
  {
    promise: 'A slow or unreachable store delays no job and crashes nothing',
    shownBy: [{ file: 'processes/slow-store' }, { file: 'processes/broken-store' }],
  },
  {
    promise: 'What others do to the files of a SQLite store makes no two lead',
    shownBy: [{ file: 'processes/sqlite-files' }, { file: 'stores/sqlite-files' }],
  },
  {
    promise: 'The classic heartbeat: six events, correlation, settings, units of work',
    shownBy: [
      { file: 'processes/slow-store', tests: /heartbeat/ },
      { file: 'processes/heart' },
      { file: 'tenure/', tests: /heartbeat|registerHeartbeat|Tenure of an application|warns on/ },
      { file: 'unit/correlation' },
    ],
  },
  {
    promise: 'The lease protocol, rule by rule, and the cell between the threads',
    shownBy: [{ file: 'unit/elector' }, { file: 'unit/cell' }, { file: 'unit/heart-parts' }],
  },
  {
    promise: 'Each safety rule has a broken variant that the tests catch',
    shownBy: [{ file: 'mutants/' }],
  },
  {
    promise: 'Simulated: one leader at any instant, suspensions are safe, seeds are clean',
    shownBy: [
      { file: 'simulation/seeds' },
      { file: 'simulation/world' },
      { file: 'simulation/suspend' },
    ],
  },
  {
    promise: 'The simulator catches each broken variant; each checker can fail',
    shownBy: [{ file: 'simulation/mutants' }, { file: 'simulation/checkers' }],
  },
  {
    promise: 'Every store keeps to the kit, and the kit catches broken stores',
    shownBy: [{ file: 'stores/' }, { file: 'mutants/unit', tests: /caught by stores/ }],
  },
  {
    promise: 'The ledger: a tick is claimed once; of two that believe to lead, one writes',
    shownBy: [
      { file: 'stores/', tests: /claimed once|claim the same ticks|believe to lead|lower token/ },
    ],
  },
  {
    promise: 'No tick twice, none forgotten: over takeovers, crashes, stalls, lost replies',
    shownBy: [
      { file: 'unit/scheduler-ledger' },
      { file: 'unit/ledger-writer' },
      { file: 'unit/overdue' },
      { file: 'processes/ledger' },
      { file: 'processes/overdue' },
      { file: 'ledger-campaign/' },
    ],
  },
  {
    promise: 'Who may not lead never does; other jobs are told; jobs that cannot start hand over',
    shownBy: [
      { file: 'unit/who-may-lead' },
      { file: 'unit/jobs-comparison' },
      { file: 'unit/start-failures' },
      { file: 'processes/eligible' },
    ],
  },
  {
    promise:
      'Jobs stored while running: by any instance, followed within a second, never forgotten',
    shownBy: [
      { file: 'unit/stored-jobs' },
      { file: 'unit/paused-jobs' },
      { file: 'processes/stored-jobs' },
      { file: 'stores/', tests: /stored job|store jobs/ },
    ],
  },
  {
    promise: 'A PostgreSQL server stopped, frozen, cut, locked, stepped: no two leaders',
    shownBy: [{ file: 'processes/postgres' }, { file: 'unit/server-clock' }],
  },
  {
    promise: '50 candidates hand over 100 times: one leader, each token one higher',
    shownBy: [{ file: 'processes/handovers' }],
  },
  {
    promise: 'Chaos on real processes and stores breaks no rule; planted bugs are found',
    shownBy: [{ file: 'chaos/' }],
  },
  {
    promise: 'Jobs run on the leader only, overlap only if told to, whatever they do',
    shownBy: [
      { file: 'unit/scheduler' },
      { file: 'unit/due-queue' },
      { file: 'unit/handlers' },
      { file: 'processes/handlers' },
      { file: 'tenure/' },
    ],
  },
  {
    promise: 'Each option of a job does what it says; changing one never moves a tick',
    shownBy: [{ file: 'unit/job-options' }, { file: 'unit/changing-jobs' }],
  },
  {
    promise: 'Cron expressions are due by one written rule, in all time zones',
    shownBy: [{ file: 'unit/cron' }],
  },
  {
    promise: 'Bad input gets a clear error, and no secret is ever shown',
    shownBy: [
      { file: 'unit/options' },
      { file: 'unit/store-url' },
      { file: 'unit/duration' },
      { file: 'fuzz/', tests: /accepted|refused|never shows/ },
      { file: 'unit/scheduler', tests: /what is wrong with a job/ },
      { file: 'unit/job-options', tests: /is named, and nothing is scheduled/ },
    ],
  },
  {
    promise: 'Whatever comes, nothing crashes, hangs, or is accepted wrongly',
    shownBy: [{ file: 'fuzz/' }],
  },
  {
    promise: 'Started and stopped 1,000 times it leaves nothing; test runners exit',
    shownBy: [{ file: 'processes/start-stop' }, { file: 'package/test-runners' }],
  },
  {
    promise: 'Installed it works: Node 22, 24, 26; import, require, TypeScript, esbuild',
    shownBy: [{ file: 'package/installed' }],
  },
  {
    promise: 'Jobs can be tested: always leader, time by hand, terms lost on purpose',
    shownBy: [{ file: 'tenure/test-tenure' }, { file: 'package/test-runners' }],
  },
  {
    promise: 'Fastify: starts, stops, correlates, answers probes',
    shownBy: [{ file: 'fastify/' }],
  },
  {
    promise: 'tenure run: killed before the fence with all children, never overlapping',
    shownBy: [{ file: 'cli/run' }],
  },
  {
    promise: 'The command: status, watch, resign, serve, and help that teaches',
    shownBy: [
      { file: 'cli/look' },
      { file: 'cli/serve' },
      { file: 'cli/usage' },
      { file: 'cli/watch' },
      { file: 'unit/lease-screen' },
    ],
  },
  {
    promise: 'The guides run as written',
    shownBy: [{ file: 'guides/' }],
  },
  {
    promise: 'The page: readable, live, without an error, and its buttons work',
    shownBy: [{ file: 'browser/' }],
  },
  {
    promise: 'The repository: rooms, documents and tables agree with the code',
    shownBy: [{ file: 'repo/' }],
  },
]
