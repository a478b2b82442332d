/** The two commands that run tests: `npm test`, and `npm run test:campaigns`. */
export type CommandName = 'test' | 'campaigns'

/** The name of a file that only the campaigns run ends in this. */
export const campaignSuffix = '.campaign.test.ts'

/** What a command may cost on two quiet cores, in seconds. */
export const limits: Readonly<Record<CommandName, { processor: number; wall: number }>> = {
  test: { processor: 400, wall: 240 },
  campaigns: { processor: 2_000, wall: 1_200 },
}

/** What is left of the processor time of a command for the stores and suites to come. */
export const shareForMore = 0.1

/** A folder of tests, and its share of the processor time of either command, in seconds. */
export interface Layer {
  readonly folder: string
  readonly budget: Readonly<Record<CommandName, number>>
}

/** The layers, those whose files take longest first: the others fill the gaps. */
export const layers: readonly Layer[] = [
  { folder: 'chaos', budget: { test: 2, campaigns: 120 } },
  { folder: 'ledger-campaign', budget: { test: 2, campaigns: 40 } },
  { folder: 'package', budget: { test: 5, campaigns: 120 } },
  { folder: 'browser', budget: { test: 8, campaigns: 60 } },
  { folder: 'processes', budget: { test: 110, campaigns: 500 } },
  { folder: 'cli', budget: { test: 44, campaigns: 40 } },
  { folder: 'fastify', budget: { test: 14, campaigns: 40 } },
  { folder: 'fencing', budget: { test: 9, campaigns: 40 } },
  { folder: 'guides', budget: { test: 22, campaigns: 10 } },
  { folder: 'stores', budget: { test: 58, campaigns: 140 } },
  { folder: 'tenure', budget: { test: 15, campaigns: 10 } },
  { folder: 'bench', budget: { test: 0, campaigns: 40 } },
  { folder: 'repo', budget: { test: 8, campaigns: 40 } },
  { folder: 'unit', budget: { test: 12, campaigns: 10 } },
  { folder: 'fuzz', budget: { test: 15, campaigns: 10 } },
  { folder: 'simulation', budget: { test: 31, campaigns: 280 } },
  { folder: 'mutants', budget: { test: 5, campaigns: 300 } },
]

/** Which command runs a file. */
export function commandOf(file: string): CommandName {
  return file.endsWith(campaignSuffix) ? 'campaigns' : 'test'
}

/** The place of a file's layer in the order in which they begin. */
export function rankOf(file: string): number {
  const at = layers.findIndex(({ folder }) => file.startsWith(`${folder}/`))
  if (at === -1) throw new Error(`Expected test/${file} to be in one of the layers.`)
  return at
}
