import { testHandovers } from '../support/handovers.ts'

testHandovers({ candidates: 50, handovers: 100 })
