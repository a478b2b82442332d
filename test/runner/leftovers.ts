import { readdirSync, readFileSync, rmSync } from 'node:fs'

const pauseMs = 100
const roundsMax = 100
/** When a process was started, among the fields after its command: see proc(5). */
const startField = 19

/** A process, as `/proc` shows it. */
export interface Found {
  readonly pid: number
  readonly command: string
}

interface Entry extends Found {
  /** Number and start: the number alone is given to another process one day. */
  readonly id: string
  readonly parent: number
  readonly isEnded: boolean
  readonly text: string
}

/**
 * The processes of one run of the tests: whoever names the run's folder in its environment (as
 * `TMPDIR`, which is inherited) or in its command line, and whoever descends from one of these. The
 * second rule finds what hides its environment, such as the children of PostgreSQL and a witness.
 * Linux only: elsewhere there is no `/proc`, and none is found.
 *
 * @param known what was found before, and is found again when its parent has ended; it is added to
 */
export function processesOf(folder: string, known: Set<string> = new Set()): Found[] {
  const entries = allProcesses()
  const isOurs = ({ text, id }: Entry): boolean => text.includes(folder) || known.has(id)
  const ours = new Set(entries.filter(isOurs).map(({ pid }) => pid))
  for (let size = -1; size !== ours.size;) {
    size = ours.size
    for (const { pid, parent } of entries) if (ours.has(parent)) ours.add(pid)
  }
  const found = entries.filter(({ pid, isEnded }) => ours.has(pid) && !isEnded)
  for (const { id } of found) known.add(id)
  return found
}

function allProcesses(): Entry[] {
  let names: string[]
  try {
    names = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
  return names.flatMap((name) => {
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      // The command stands in brackets, and may hold any character: see proc(5).
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const [state = '', parent] = fields
      const id = `${name}:${fields[startField]}`
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      const isEnded = 'ZX'.includes(state)
      const text = `${command}\0${environmentOf(name)}`
      return [{ id, pid: Number(name), parent: Number(parent), isEnded, command, text }]
    } catch {
      // It has ended meanwhile.
      return []
    }
  })
}

/** What another user's process was started with is not for our eyes. */
function environmentOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
  } catch {
    return ''
  }
}

/** Ends all processes of a run, and removes its folder; whoever calls has nothing else to do. */
export function takeAway(folder: string, known?: Set<string>): void {
  endProcesses(folder, known)
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: pauseMs })
}

/** Ends all processes of a run, also those that stand still, and those that are started meanwhile. */
export function endProcesses(folder: string, known?: Set<string>): void {
  for (let round = 0; round < roundsMax; round++) {
    const left = processesOf(folder, known)
    if (left.length === 0) return
    for (const { pid } of left) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs)
  }
}
