import { constants } from 'node:os'

/** What a shell says of a command that has died of a signal. */
export function exitCodeOfSignal(signal: NodeJS.Signals): number {
  return 128 + constants.signals[signal]
}
