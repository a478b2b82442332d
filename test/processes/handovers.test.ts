import { testHandovers } from '../support/handovers.ts'

testHandovers({ candidates: 6, handovers: 12 })
