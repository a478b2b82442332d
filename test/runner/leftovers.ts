import { readdirSync, readFileSync } from 'node:fs'

/** A process, as `/proc` shows it. */
export interface Found {
  readonly pid: number
  readonly command: string
}

interface Entry extends Found {
  readonly parent: number
  readonly isEnded: boolean
  readonly text: string
}

/**
 * The processes of one run of the tests: whoever names the run's folder in its environment (as
 * `TMPDIR`, which is inherited) or in its command line, and whoever descends from one of these. The
 * second rule finds what hides its environment, such as the children of PostgreSQL and a witness.
 * Linux only: elsewhere there is no `/proc`, and none is found.
 */
export function processesOf(folder: string): Found[] {
  const entries = allProcesses()
  const ours = new Set(entries.filter(({ text }) => text.includes(folder)).map(({ pid }) => pid))
  for (let size = -1; size !== ours.size;) {
    size = ours.size
    for (const { pid, parent } of entries) if (ours.has(parent)) ours.add(pid)
  }
  return entries.filter(({ pid, isEnded }) => ours.has(pid) && !isEnded)
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
      const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
      const isEnded = 'ZX'.includes(state)
      const text = `${command}\0${environmentOf(name)}`
      return [{ pid: Number(name), parent: Number(parent), isEnded, command, text }]
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
