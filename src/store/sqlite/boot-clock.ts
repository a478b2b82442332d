import { readFileSync, readlinkSync } from 'node:fs'

/** A monotonic clock, and the name of the group of processes that read the very same one. */
export interface BootClock {
  /**
   * Two processes with the same id read the same clock. Different ids mean that nothing is known
   * of each other's clocks, not that they differ.
   */
  readonly id: string
  nowMs(): number
}

/**
 * The monotonic clock of this boot of this machine (`CLOCK_MONOTONIC` on Linux).
 *
 * It is common to all processes of one boot, unless a time namespace gives some of them an offset
 * (time_namespaces(7)); therefore the namespace is a part of the id. Containers on one host share
 * both. Where no id of the boot can be read, the id is random: no other process believes that it
 * shares our clock, and all fall back on watching the record.
 */
export function createBootClock(): BootClock {
  return {
    id: bootId() ?? `unknown:${crypto.randomUUID()}`,
    nowMs() {
      const [seconds, nanoseconds] = process.hrtime()
      return seconds * 1e3 + nanoseconds / 1e6
    },
  }
}

function bootId(): string | undefined {
  try {
    if (process.platform === 'linux') {
      const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
      return `linux:${boot}:${timeNamespace()}`
    }
    if (process.platform === 'darwin') {
      // Loaded where it is needed only: the witness counts milliseconds.
      const { execFileSync } = process.getBuiltinModule('node:child_process')
      const name = 'kern.bootsessionuuid'
      return `darwin:${execFileSync('/usr/sbin/sysctl', ['-n', name], { encoding: 'utf8' }).trim()}`
    }
  } catch {
    // Not readable here, such as in a sandbox: unknown.
  }
  return undefined
}

/** Kernels before 5.6 have no time namespaces, and thus a single one. */
function timeNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/time')
  } catch {
    return 'time:none'
  }
}
