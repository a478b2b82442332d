import { testStartStop } from '../support/start-stop-test.ts'

testStartStop(1_000)
