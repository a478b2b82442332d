/** The oldest Node.js that Tenure runs on. A test holds it against `engines` in package.json. */
const needed = { major: 22, minor: 18 } as const

/**
 * What is wrong with a version of Node.js, in one sentence, if it is too old. This module, and what
 * leads to it, has to be understood by the Node.js that it refuses.
 */
export function faultOfNode(version: string | undefined): string | undefined {
  // Where there is no Node.js at all, such as in a browser's bundle, something else is wrong.
  if (version === undefined) return undefined
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major > needed.major || (major === needed.major && minor >= needed.minor)) return undefined
  return `Tenure needs Node.js ${needed.major}.${needed.minor} or later; this is ${version}.`
}
