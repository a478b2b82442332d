/** The two commands that run tests: `npm test`, and `npm run test:campaigns`. */
export type CommandName = 'test' | 'campaigns'

/** The name of a file that only the campaigns run ends in this. */
export const campaignSuffix = '.campaign.test.ts'

/** What a command may cost on two quiet cores, in seconds. */
export const limits: Readonly<Record<CommandName, { processor: number; wall: number }>> = {
  test: { processor: 400, wall: 240 },
  campaigns: { processor: 2_000, wall: 1_200 },
}

/** A folder of tests, and its share of the processor time of either command, in seconds. */
export interface Layer {
  readonly folder: string
  readonly budget: Readonly<Record<CommandName, number>>
}

/** The layers, those whose files take longest first: the others fill the gaps. */
export const layers: readonly Layer[] = [
  { folder: 'chaos', budget: { test: 1, campaigns: 300 } },
  { folder: 'ledger-campaign', budget: { test: 5, campaigns: 250 } },
  { folder: 'package', budget: { test: 10, campaigns: 150 } },
  { folder: 'browser', budget: { test: 20, campaigns: 100 } },
  { folder: 'processes', budget: { test: 80, campaigns: 400 } },
  { folder: 'cli', budget: { test: 30, campaigns: 60 } },
  { folder: 'fastify', budget: { test: 30, campaigns: 60 } },
  { folder: 'fencing', budget: { test: 15, campaigns: 60 } },
  { folder: 'guides', budget: { test: 30, campaigns: 30 } },
  { folder: 'stores', budget: { test: 40, campaigns: 30 } },
  { folder: 'tenure', budget: { test: 10, campaigns: 10 } },
  { folder: 'bench', budget: { test: 5, campaigns: 40 } },
  { folder: 'repo', budget: { test: 5, campaigns: 5 } },
  { folder: 'unit', budget: { test: 25, campaigns: 10 } },
  { folder: 'fuzz', budget: { test: 20, campaigns: 60 } },
  { folder: 'simulation', budget: { test: 20, campaigns: 250 } },
  { folder: 'mutants', budget: { test: 5, campaigns: 150 } },
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
