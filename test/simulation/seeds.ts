/** A seed that once failed, and what it had found. */
export interface KeptSeed {
  readonly seed: number
  readonly found: string
}

/**
 * Seeds that ever failed, and run in each `npm test`. Each fails again where its repair is undone:
 * the broken variants of `mutants.ts` have them all.
 */
export const keptSeeds: readonly KeptSeed[] = [
  { seed: 6, found: 'a wall clock that was set back hid that the machine had been suspended' },
  { seed: 10, found: 'one look in a hundred added a second to the time since the last renewal' },
  { seed: 4, found: 'a shorter ttl whose renewal was not answered shortened the lease' },
  {
    seed: 145,
    found: 'a longer heartbeat that came while a renewal was under way put off the next',
  },
  { seed: 60, found: 'a longer attempt timeout let one lost reply end the term' },
  { seed: 17, found: 'after a suspension work was told to stop only when its timers were due' },
  { seed: 30, found: 'each sign of life put off the end of a term whose heart had died' },
  { seed: 3, found: 'work that drained was not stopped when its trust ran out' },
  {
    seed: 17954631145,
    found: 'after a shorter ttl, a stop gave a heart up before its term could end',
  },
  { seed: 20264266, found: 'a term that had ended for another reason was told as stopped' },
  {
    seed: 451,
    found: 'beside a heart in the main thread, work was told only when timers were due',
  },
  {
    seed: 50003054,
    found: 'a stop did not cut short the drain of a term that was resigned before',
  },
  {
    seed: 50013610,
    found: 'longer times that came during a stop were longer than the stop allowed for',
  },
  {
    seed: 60004079,
    found: 'a late reply to a renewal with a shorter ttl left work no time to stop',
  },
  {
    seed: 90017345,
    found: 'a resignation in the turn of a stop made its drain longer than the stop allowed for',
  },
  { seed: 13, found: 'the end of an attempt, written after the next, had that made twice' },
  {
    seed: 93,
    found: 'a claim made between two hearts was never answered, and its job stood still',
  },
  { seed: 98, found: 'a tick that was never claimed was forgotten by an instance that led again' },
  { seed: 70000194, found: 'a run by hand started without a claim, once its term was over' },
  { seed: 70001016, found: "an owed run waited, and kept its place, by another's wall clock" },
  {
    seed: 17956621282,
    found:
      'the heart of an undrained term was given up, once that was told as lost, before it had ended',
  },
]
