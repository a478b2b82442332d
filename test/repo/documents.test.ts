// The documents agree with the tables in the code, and with each other.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

import { errorCodes, logEvents } from '../../src/index.ts'
import { environmentNames, reconfigurable } from '../../src/options.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

const sources = globSync('src/**/*.ts', { cwd: root })
const documents = [
  ...globSync('*.md', { cwd: root }),
  ...globSync('{docs,src,examples}/**/*.md', { cwd: root, exclude: ['**/node_modules/**'] }),
]

/** The cells of the rows of a document's tables, by their first cell. */
function rowsOf(path: string): Map<string, string[]> {
  const rows = read(path)
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim())
        .slice(1, -1),
    )
  return new Map(
    rows.map((cells) => [(cells[0] ?? '').replace(/`/g, '').split(' ')[0] ?? '', cells]),
  )
}

/** Everything in src/ but one file, to see what is used. */
function sourcesBut(path: string): string {
  return sources
    .filter((source) => source !== path)
    .map(read)
    .join('\n')
}

describe('the documents', () => {
  test('errors.md has every code with its meaning and what to do, and no other', () => {
    const rows = rowsOf('docs/errors.md')
    assert.deepEqual([...rows.keys()], Object.keys(errorCodes))
    for (const [code, [, when, todo]] of rows) {
      assert.equal(when, errorCodes[code as keyof typeof errorCodes])
      assert.ok((todo ?? '').length > 10, code)
    }
  })

  test('every code is thrown or reported somewhere', () => {
    const text = sourcesBut('src/errors.ts')
    for (const code of Object.keys(errorCodes)) assert.ok(text.includes(`'${code}'`), code)
  })

  test('events.md has every log line with its level, its fields and its meaning, and no other', () => {
    const rows = rowsOf('docs/events.md')
    for (const [name, { level, fields, when }] of Object.entries(logEvents)) {
      const shown = fields.map((field) => `\`${field}\``).join(', ')
      assert.deepEqual(rows.get(name)?.slice(1), [level, shown, when], name)
    }
    const others = [...rows.keys()].filter((name) => /^[a-z]+(_[a-z]+)+$/.test(name))
    assert.deepEqual(new Set(others), new Set(Object.keys(logEvents)))
  })

  test('every log line is logged somewhere', () => {
    const text = sourcesBut('src/events.ts')
    for (const name of Object.keys(logEvents)) assert.ok(text.includes(`'${name}'`), name)
  })

  test('options.md has every option with its variable and whether it may change', () => {
    const rows = rowsOf('docs/options.md')
    for (const [option, variable] of Object.entries(environmentNames)) {
      const cells = rows.get(option)
      assert.equal(cells?.[1], `\`${variable}\``, option)
      const changes = reconfigurable.some((name) => name === option)
      assert.equal(cells?.[3], changes ? 'yes' : 'no', option)
    }
    assert.ok(rows.has('history') && rows.has('logger'))
  })

  for (const [document, least] of [
    ['classic-heartbeat.md', 30],
    ['scheduling.md', 15],
  ] as const) {
    test(`${document} names tests that exist`, () => {
      const text = read(`docs/${document}`)
      const shown = text.matchAll(
        /(?:'([^'|]+(?:'[a-z][^'|]*)*)'|"([^"|]+)")[^('"|]*\(([a-z]+\/[a-z-]+)\)/g,
      )
      let names = 0
      for (const [, single, double, file] of shown) {
        const name = single ?? double ?? ''
        // What the campaigns run of a subject is in a file of its own.
        const pattern = file?.startsWith('stores/')
          ? 'src/testing/kit/**/*.ts'
          : `test/${file}{,.campaign}.test.ts`
        const code = globSync(pattern, { cwd: root }).map(read).join('\n')
        const parts = name
          .split('…')
          .map((part) => part.trim())
          .filter(Boolean)
        for (const part of parts) assert.ok(code.includes(part), `${name} (${file})`)
        names++
      }
      assert.ok(names >= least, `${names} names were found`)
    })
  }

  test('scheduling.md compares with other schedulers by a test in each row, or says no', () => {
    const [, table = ''] = read('docs/scheduling.md').split('## Beside other schedulers')
    const rows = table.split('\n').filter((line) => line.startsWith('| ') && !/^[| -]+$/.test(line))
    assert.ok(rows.length >= 25, `${rows.length} rows were found`)
    for (const row of rows.filter((line) => !line.startsWith('| |'))) {
      const [, feature = '', ours = '', shownBy = '', ...others] = row.split(/(?<!\\)\|/)
      const named = /'.+' \([a-z]+\/[a-z-]+\)/.test(shownBy)
      assert.ok(named !== /^ no\b/.test(ours), `${feature.trim()}: ${ours.trim()}`)
      assert.equal(others.length, 6, feature)
    }
  })

  test('links lead somewhere', () => {
    for (const document of documents) {
      for (const [, target = ''] of read(document).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^https?:/.test(target)) continue
        assert.ok(existsSync(join(root, dirname(document), target)), `${document}: ${target}`)
      }
    }
  })

  test('one word stands for one thing: words of other projects are not used', () => {
    // `extract(epoch FROM ...)` is a word of SQL.
    const others =
      /\b(mutex|follower|slave|epoch(?! FROM)|watchdog|sidecar|ping|step(s|ped)? down)\b/i
    for (const path of [...documents, ...sources]) {
      const match = others.exec(read(path))
      assert.equal(match, null, `${path}: ${match?.[0]}`)
    }
  })

  test('every export says in a comment what it is', () => {
    const declaration =
      /^export (?:default |declare )?(?:async )?(?:const|function|class|interface|type) (\w+)/
    for (const path of sources) {
      const lines = read(path).split('\n')
      for (const [i, line] of lines.entries()) {
        const name = declaration.exec(line)?.[1]
        if (name === undefined || name === 'type') continue
        assert.ok(lines[i - 1]?.trim().endsWith('*/'), `${path}: ${name}`)
      }
    }
  })

  test('the README names the two commands, and nothing else to set up here', () => {
    const readme = read('README.md')
    assert.ok(readme.includes('npm start') && readme.includes('npm test'))
    assert.doesNotMatch(readme, /npm (ci|run build)\b/)
  })

  test('the README says what to install, and what else for what', () => {
    const [, section = ''] = /\n## Install\n(.*?)\n## /s.exec(read('README.md')) ?? []
    assert.match(section, /^npm install tenure pg$/m)
    const { peerDependencies, engines } = JSON.parse(read('package.json'))
    for (const peer of Object.keys(peerDependencies)) {
      assert.ok(section.includes(`\`${peer}\``), peer)
    }
    const node = engines.node.replace(/>=(\d+\.\d+).*/, '$1')
    assert.ok(read('README.md').includes(`Node.js ${node} or later`))
  })
})
