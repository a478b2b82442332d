import { readdirSync, readFileSync, statSync } from 'node:fs'

/** Which of SQLite's lasting locks a process holds on a database, as the system tells. */
export function locksOf(pid: number, path: string): ('database' | 'index')[] {
  const inodes = { database: statSync(path).ino, index: statSync(`${path}-shm`).ino }
  const lines = readdirSync(`/proc/${pid}/fdinfo`)
    .map((fd) => readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
    .flatMap((text) => text.split('\n').filter((line) => line.startsWith('lock:')))
  const holds = (inode: number, first: number): boolean =>
    lines.some((line) => line.includes(`:${inode} ${first} `))
  const database = holds(inodes.database, 1_073_741_826)
  const index = holds(inodes.index, 128)
  return [...(database ? (['database'] as const) : []), ...(index ? (['index'] as const) : [])]
}
