import { execFileSync } from 'node:child_process'
import { existsSync, globSync } from 'node:fs'

/** A program that some tests need, and that comes from a package of Debian. */
interface Program {
  readonly debianPackage: string
  /** Where it may be, the first that exists counts. */
  readonly paths: readonly string[]
}

const programs = {
  chromium: {
    debianPackage: 'chromium',
    paths: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  },
  /** Makes certificates. */
  openssl: { debianPackage: 'openssl', paths: ['/usr/bin/openssl'] },
  /** A transaction pooler before PostgreSQL. */
  pgbouncer: { debianPackage: 'pgbouncer', paths: ['/usr/sbin/pgbouncer'] },
  /** The server; Debian keeps each major version in a folder of its own. */
  postgres: {
    debianPackage: 'postgresql',
    paths: globSync('/usr/lib/postgresql/*/bin/postgres').toSorted().toReversed(),
  },
  /** Where BullMQ keeps its jobs, beside which schedules are measured. */
  'redis-server': { debianPackage: 'redis-server', paths: ['/usr/bin/redis-server'] },
  /** Moves the wall clock of one process. */
  libfaketime: {
    debianPackage: 'faketime',
    paths: [
      '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1',
      '/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1',
    ],
  },
  /** Gives a process a terminal. */
  script: { debianPackage: 'bsdutils', paths: ['/usr/bin/script'] },
} as const satisfies Record<string, Program>

export type ProgramName = keyof typeof programs

const inCi = process.env['CI'] === 'true'

/** Where a program is, or `undefined`. */
function find(name: ProgramName): string | undefined {
  return programs[name].paths.find((path) => existsSync(path))
}

/** Why the tests that need a program cannot run here; `false` if they can. In CI they must. */
export function missing(name: ProgramName): string | false {
  if (find(name) !== undefined) return false
  const { debianPackage } = programs[name]
  const hint = `${name} is missing: apt-get install ${debianPackage}`
  if (inCi) throw new Error(`CI may skip nothing, but ${hint}`)
  return hint
}

/** Where a program is, once `missing` has said that it is there. */
export function pathOf(name: ProgramName): string {
  const path = find(name)
  if (path === undefined) throw new Error(`${name} is missing`)
  return path
}

/** Installs all that is missing from Debian's packages; in CI only, where it has to succeed. */
export function installMissing(): void {
  if (!inCi) return
  const names = Object.keys(programs) as ProgramName[]
  const packages = names
    .filter((name) => find(name) === undefined)
    .map((name) => programs[name].debianPackage)
  if (packages.length === 0) return
  console.log(`Installing from Debian's packages: ${packages.join(', ')} ...`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const stdio = ['ignore', 'ignore', 'inherit'] as const
  execFileSync('apt-get', ['update', '-q'], { env, stdio: [...stdio] })
  const install = ['install', '-q', '-y', '--no-install-recommends', ...packages]
  execFileSync('apt-get', install, { env, stdio: [...stdio] })
}
