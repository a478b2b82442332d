import { readFileSync } from 'node:fs'

/** A file of a process in /proc, or nothing if that has ended. */
function procFile(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}

/** Does it still run? One that has ended, and that nobody has asked about, does not. */
export function isRunning(pid: number): boolean {
  return /^State:\s+[^ZX]/m.test(procFile(pid, 'status'))
}

/** What everybody can see of a process: its command line and its environment. */
export function shownOf(pid: number): string {
  return procFile(pid, 'cmdline') + procFile(pid, 'environ')
}

/** The memory of a process in bytes, with all that it shares with others. */
export function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(procFile(pid, 'status'))?.[1]) * 1_024
}

/** The processes that a process has started, and those of theirs. */
export function descendantsOf(pid: number): number[] {
  const children = procFile(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean)
  return children.map(Number).flatMap((child) => [child, ...descendantsOf(child)])
}

/** Ends a witness with all that it has started, unless its id is another's by now. */
export function endWitness(pid: number): void {
  if (!shownOf(pid).includes('tenure-witness')) return
  for (const each of [pid, ...descendantsOf(pid)]) {
    try {
      process.kill(each, 'SIGKILL')
    } catch {
      // It has ended meanwhile.
    }
  }
}
