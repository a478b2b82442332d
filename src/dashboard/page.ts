import { readFileSync } from 'node:fs'

export { leaseViewOf, nameOfHolder } from './lease-view.ts'
export type { LeaseView, TermView } from './lease-view.ts'
export { pageDataOf } from './page-data.ts'
export type {
  PageControl,
  PageData,
  PageInstance,
  PageInstanceState,
  PageLine,
  PageRun,
  PageSkip,
} from './page-data.ts'

/** One file of the page, to be served under its name beside `data.json`. */
export interface PageFile {
  /** Relative to the page's address, which ends with a slash; `''` is the page itself. */
  readonly name: string
  readonly contentType: string
  readonly body: string
}

const contentTypes = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
} as const

/**
 * The files beside this module that make up the page. None may have the name of a module here in its
 * compiled form, `page.js` say, because the build puts them into one folder.
 */
const fileNames = [
  'page.html',
  'theme.css',
  'page.css',
  'view.js',
  'dom.js',
  'widgets.js',
  'format.js',
  'lease-section.js',
  'instances-section.js',
  'terms-section.js',
  'work-section.js',
  'events-section.js',
] as const

/** The headers of every file of the page: it loads nothing from elsewhere, and nobody frames it. */
export const pageHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-cache',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

/**
 * The page, finished: whoever serves it answers `GET data.json` beside it with `PageData`, and, if
 * that has controls, `POST control` with what was done.
 */
export function pageFiles(): PageFile[] {
  return fileNames.map((fileName) => {
    const extension = fileName.slice(fileName.lastIndexOf('.') + 1) as keyof typeof contentTypes
    return {
      name: fileName === 'page.html' ? '' : fileName,
      contentType: contentTypes[extension],
      body: readFileSync(new URL(fileName, import.meta.url), 'utf8'),
    }
  })
}
