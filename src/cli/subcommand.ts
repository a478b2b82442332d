import type { Flag, Flags } from './flags.ts'

/** One of the things that the command can do. */
export interface Subcommand {
  readonly name: string
  /** In a few words, for the list of all. */
  readonly summary: string
  /** What follows `tenure NAME`, such as `[flags] -- COMMAND`. */
  readonly synopsis: string
  /** What one has to know, in paragraphs. */
  readonly about: string
  readonly flags: readonly Flag[]
  /** Each exit code besides 2, and what it says. */
  readonly exitCodes: readonly (readonly [code: string, meaning: string])[]
  readonly examples: readonly (readonly [line: string, meaning: string])[]
  /** Does it, and returns the exit code. What goes wrong is thrown. */
  run(flags: Flags, rest: readonly string[]): Promise<number>
  /** Whether what follows `--` is somebody else's command, and all that it takes. */
  readonly takesCommand?: boolean
  /** @default 0 */
  readonly argumentsMax?: number
}

const widthMax = 80

/** What `tenure NAME --help` prints. */
export function helpOf(subcommand: Subcommand): string {
  const { name, synopsis, about, flags, exitCodes, examples } = subcommand
  const withVariable = flags.filter(({ variable }) => variable)
  const others = flags.filter(({ variable }) => !variable)
  const title = 'Flags, each also as a variable such as TENURE_ATTEMPT_TIMEOUT (and default):'
  return [
    `Usage: tenure ${name} ${synopsis}`,
    ...about.trim().split('\n\n').map(paragraphOf),
    `Examples:\n${table(examples.map(([line, meaning]) => [line, `# ${meaning}`]))}`,
    `${title}\n${table(withVariable.map(rowOf))}`,
    `Other flags:\n${table(others.map(rowOf))}`,
    `Exit codes:\n${table([...exitCodes, ['2', 'wrong usage']])}`,
    'Durations are written as 500ms, 20s, 5m, 2h or 1d.',
  ].join('\n\n')
}

/** What `tenure --help` prints. */
export function overviewOf(subcommands: readonly Subcommand[]): string {
  const rows = subcommands.map(({ name, summary }) => [`tenure ${name}`, summary] as const)
  return [
    'Usage: tenure COMMAND [flags]',
    'The scheduler lock: of all processes that share a lease, at most one leads.',
    `Commands:\n${table(rows)}`,
    `Try it, in two terminals:\n${table([
      ["tenure run -- sh -c 'echo I lead; sleep 30'", '# the second one waits for the first'],
      ['tenure watch', '# and this shows them'],
    ])}`,
    `Flags:\n${table([
      ['--help', 'prints this; after a command, all about that command'],
      ['--version', 'prints the version'],
    ])}`,
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 nobody leads (`status`); `run` hands on the ' +
      'code of its command.',
  ].join('\n\n')
}

function rowOf({ name, value, about, fallback }: Flag): readonly [left: string, right: string] {
  const left = value ? `--${name} ${value}` : `--${name}`
  return [left, fallback ? `${about} (${fallback})` : about]
}

/** Wrapped, unless it is indented: then it is code. */
function paragraphOf(text: string): string {
  return text.startsWith('  ') ? text : wrapped(text, widthMax).join('\n')
}

/** Two columns, the second of which goes to a line of its own where the first is too wide. */
function table(rows: readonly (readonly [left: string, right: string])[]): string {
  const leftMax = 34
  const width = Math.max(...rows.map(([left]) => left.length).filter((length) => length <= leftMax))
  return rows
    .map(([left, right]) => {
      const fits = left.length <= width
      const lines = wrapped(right, widthMax - width - 4)
      const indented = lines.join(`\n${' '.repeat(width + 4)}`)
      return fits
        ? `  ${left.padEnd(width)}  ${indented}`
        : `  ${left}\n${' '.repeat(width + 4)}${indented}`
    })
    .join('\n')
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
