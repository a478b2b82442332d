import { connectionMutants } from './connection-mutants.ts'
import { faultMutants } from './fault-mutants.ts'
import { fileMutants } from './file-mutants.ts'
import { pushMutants } from './push-mutants.ts'
import { surfaceMutants } from './surface-mutants.ts'
import { jobMutants } from './job-mutants.ts'
import { leaseMutants } from './lease-mutants.ts'
import { ledgerMutants } from './ledger-mutants.ts'
import { ledgerStoreMutants } from './ledger-store-mutants.ts'
import { mayLeadMutants } from './may-lead-mutants.ts'
import type { Mutant } from './mutant.ts'
import { storeMutants } from './store-mutants.ts'
import { storedMutants } from './stored-mutants.ts'
import { witnessMutants } from './witness-mutants.ts'

/** All broken variants that a suite of tests catches. */
export const allMutants: readonly Mutant[] = [
  ...leaseMutants,
  ...jobMutants,
  ...ledgerMutants,
  ...mayLeadMutants,
  ...storedMutants,
  ...storeMutants,
  ...ledgerStoreMutants,
  ...witnessMutants,
  ...connectionMutants,
  ...faultMutants,
  ...fileMutants,
  ...pushMutants,
  ...surfaceMutants,
]
