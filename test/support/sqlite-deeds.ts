// What others do to the files of a SQLite database that is in use, by kind.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
} from 'node:fs'
import { basename, join } from 'node:path'

import type { Instance } from './cluster.ts'
import type { MountNamespace } from './mount-namespace.ts'

/** Where a deed is done. The database is alone in its folder, beside which there is room. */
export interface Scene {
  /** The path of the database. */
  readonly path: string
  /** Its folder. */
  readonly folder: string
  /** Another folder, for what is put aside. */
  readonly aside: string
  readonly leader: Instance
  readonly namespace: MountNamespace
}

export interface Deed {
  readonly what: string
  readonly do: (scene: Scene) => void
  /** Whether it mounts something, which not every machine allows. */
  readonly mounts?: boolean
  /** Whether the folder is a small file system of its own from the start. */
  readonly onTmpfs?: boolean
  /** Whether it takes more than one step, and nobody may look between them. */
  readonly unseen?: boolean
  /** Whether SQLite mends it by itself when the next process opens the database. */
  readonly isMendedByOpening?: boolean
  /** Whether the count of tokens is lost with it for those who have never seen one. */
  readonly losesCounter?: boolean
}

/** Runs a program in another process, with the path of the database. */
function elsewhere(path: string, program: string): void {
  const code = `const { DatabaseSync, backup } = require('node:sqlite'); (async (path) => { ${program} })(process.argv[1])`
  execFileSync(process.execPath, ['--no-warnings', '-e', code, path], { stdio: 'pipe' })
}

const remove = (suffixes: readonly string[]): Deed => ({
  what: `remove ${suffixes.map((suffix) => suffix || 'the database').join(' and ')}`,
  do: ({ path }) => suffixes.forEach((suffix) => rmSync(`${path}${suffix}`, { force: true })),
  losesCounter: suffixes.includes(''),
})

const truncate = (suffix: string): Deed => ({
  what: `cut off ${suffix || 'the database'}`,
  do: ({ path }) => truncateSync(`${path}${suffix}`, 0),
  losesCounter: suffix === '',
})

const replace = (suffix: string): Deed => ({
  what: `replace ${suffix || 'the database'} by a copy`,
  do: ({ path, aside }) => {
    const copy = join(aside, 'copy')
    copyFileSync(`${path}${suffix}`, copy)
    renameSync(copy, `${path}${suffix}`)
  },
})

const rename = (suffix: string): Deed => ({
  what: `rename ${suffix || 'the database'}`,
  do: ({ path, aside }) => renameSync(`${path}${suffix}`, join(aside, 'renamed')),
  losesCounter: suffix === '',
})

/** What takes the files, or the locks, away from those who use them. */
export const takingDeeds = {
  removeIndex: remove(['-shm']),
  removeLog: remove(['-wal']),
  removeBoth: remove(['-wal', '-shm']),
  removeDatabase: remove(['']),
  removeAll: remove(['', '-wal', '-shm']),
  removeFolder: {
    what: 'remove the folder, and make it anew',
    do: ({ folder }) => {
      // Its users may be making new files in it meanwhile.
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 })
      mkdirSync(folder, { recursive: true })
    },
    losesCounter: true,
  },
  renameFolder: {
    what: 'rename the folder, and make another one',
    do: ({ folder, aside }) => {
      renameSync(folder, join(aside, 'renamed'))
      mkdirSync(folder)
    },
    losesCounter: true,
  },
  swapFolder: {
    what: 'put a copy of the folder in its place',
    do: ({ folder, aside }) => {
      cpSync(folder, join(aside, 'copy'), { recursive: true })
      renameSync(folder, join(aside, 'renamed'))
      renameSync(join(aside, 'copy'), folder)
    },
  },
  moveAndLink: {
    what: 'move the database to another folder, and leave a link to it',
    do: ({ path, aside }) => {
      renameSync(path, join(aside, 'tenure.db'))
      symlinkSync(join(aside, 'tenure.db'), path)
    },
  },
  renameDatabase: rename(''),
  renameLog: rename('-wal'),
  renameIndex: rename('-shm'),
  replaceDatabase: replace(''),
  replaceLog: replace('-wal'),
  replaceIndex: replace('-shm'),
  cutDatabase: truncate(''),
  cutLog: truncate('-wal'),
  cutIndex: { ...truncate('-shm'), isMendedByOpening: true },
  copyInside: {
    what: 'copy the folder in the process of the leader',
    do: ({ folder, aside, leader }) =>
      leader.send({ do: 'copy', from: folder, to: join(aside, 'copy') }),
  },
  copyDatabaseInside: {
    what: 'copy the database alone in the process of the leader',
    do: ({ path, aside, leader }) =>
      leader.send({ do: 'copy', from: path, to: join(aside, 'copy') }),
  },
  copyIndexInside: {
    what: 'copy -shm alone in the process of the leader',
    do: ({ path, aside, leader }) =>
      leader.send({ do: 'copy', from: `${path}-shm`, to: join(aside, 'copy') }),
  },
  mountOver: {
    what: 'mount another file system over the folder, with the same inode numbers',
    do: ({ folder, namespace }) => namespace.run('mount', '-t', 'tmpfs', 'tmpfs', folder),
    mounts: true,
    onTmpfs: true,
    losesCounter: true,
  },
  unmount: {
    what: 'unmount the folder under its users, and mount another one',
    do: ({ folder, namespace }) => {
      namespace.run('umount', '-l', folder)
      namespace.run('mount', '-t', 'tmpfs', 'tmpfs', folder)
    },
    mounts: true,
    onTmpfs: true,
    losesCounter: true,
  },
  bindOver: {
    what: 'mount a copy of the folder over it',
    do: ({ folder, aside, namespace }) => {
      cpSync(folder, join(aside, 'copy'), { recursive: true })
      namespace.run('mount', '--bind', join(aside, 'copy'), folder)
    },
    mounts: true,
  },
  bindIndexOver: {
    what: 'mount a file over -shm',
    do: ({ path, aside, namespace }) => {
      copyFileSync(`${path}-shm`, join(aside, 'copy'))
      namespace.run('mount', '--bind', join(aside, 'copy'), `${path}-shm`)
    },
    mounts: true,
  },
} as const satisfies Record<string, Deed>

/** What only reads, or takes nothing away. */
export const harmlessDeeds = {
  copyOutside: {
    what: 'copy the folder',
    do: ({ folder, aside }) => {
      execFileSync('cp', ['-a', folder, join(aside, 'copy')])
      execFileSync('tar', ['-cf', join(aside, 'copy.tar'), folder], { stdio: 'pipe' })
    },
  },
  backup: {
    what: 'back the database up by SQLite, as .backup and VACUUM INTO do',
    do: ({ path, aside }) => {
      elsewhere(path, `await backup(new DatabaseSync(path), '${join(aside, 'backup')}')`)
      elsewhere(path, `new DatabaseSync(path).exec("VACUUM INTO '${join(aside, 'vacuum')}'")`)
    },
  },
  linkFiles: {
    what: 'back the files up by hard links',
    do: ({ folder, aside }) => execFileSync('cp', ['-al', folder, join(aside, 'links')]),
  },
  linkAndRemove: {
    what: 'link the database, and remove the link',
    do: ({ path, aside }) => {
      linkSync(path, join(aside, 'link'))
      rmSync(join(aside, 'link'))
    },
  },
  symlink: {
    what: 'link the database symbolically',
    do: ({ path, aside }) => symlinkSync(path, join(aside, 'link')),
  },
  read: {
    what: 'open, read and close it elsewhere, again and again',
    do: ({ path }) => {
      elsewhere(
        path,
        "for (let i = 0; i < 20; i++) { const d = new DatabaseSync(path); d.prepare('SELECT * FROM tenure_lease').all(); d.close() }",
      )
    },
  },
  checkpoint: {
    what: 'have the -wal emptied, and the database packed',
    do: ({ path }) => {
      elsewhere(
        path,
        "const d = new DatabaseSync(path, { timeout: 5000 }); d.exec('PRAGMA wal_checkpoint(TRUNCATE); VACUUM'); d.close()",
      )
    },
  },
  rights: {
    what: 'change rights, owners and times',
    do: ({ path, folder }) => {
      for (const name of readdirSync(folder)) {
        if (!name.startsWith(basename(path))) continue
        const file = join(folder, name)
        const { uid, gid } = statSync(file)
        chmodSync(file, 0o640)
        if (uid === 0) chownSync(file, 1, 1)
        utimesSync(file, 1, 1)
        if (uid === 0) chownSync(file, uid, gid)
      }
    },
  },
  neighbours: {
    what: 'make, rename and remove other files of the folder',
    do: ({ folder }) => {
      mkdirSync(join(folder, 'other'))
      renameSync(join(folder, 'other'), join(folder, 'another'))
      rmSync(join(folder, 'another'), { recursive: true })
    },
  },
  renameBack: {
    what: 'rename the folder, and have its old path lead to it by a link',
    do: ({ folder, aside }) => {
      renameSync(folder, join(aside, 'moved'))
      symlinkSync(join(aside, 'moved'), folder)
    },
    // For a moment there is nothing at the path, and whoever sees that has to end its term.
    unseen: true,
  },
} as const satisfies Record<string, Deed>
