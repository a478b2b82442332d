// Each broken variant of a rule is caught, by the unit tests or by the kits on memory.
import { jobMutants } from './job-mutants.ts'
import { leaseMutants } from './lease-mutants.ts'
import { ledgerMutants } from './ledger-mutants.ts'
import { ledgerStoreMutants } from './ledger-store-mutants.ts'
import { mayLeadMutants } from './may-lead-mutants.ts'
import { storeMutants } from './store-mutants.ts'
import { storedMutants } from './stored-mutants.ts'
import { testMutants } from './test-mutants.ts'
import { witnessMutants } from './witness-mutants.ts'

testMutants([
  ...leaseMutants,
  ...jobMutants,
  ...ledgerMutants,
  ...mayLeadMutants,
  ...storedMutants,
  ...storeMutants,
  ...ledgerStoreMutants,
  ...witnessMutants.filter(({ suite }) => !suite.startsWith('processes/')),
])
