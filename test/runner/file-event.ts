/** What the process of a file of tests says of them: a line of JSON each, on its descriptor 3. */
export type FileEvent =
  | {
      readonly kind: 'test'
      readonly name: string
      readonly outcome: 'passed' | 'failed' | 'skipped'
      /** Why it was skipped, or how it failed. */
      readonly note: string
    }
  | { readonly kind: 'diagnostic'; readonly message: string }
  /** At its end: the processor time of the process and of all that it has waited for, in seconds. */
  | { readonly kind: 'processor'; readonly seconds: number }

/** The descriptor that a file's process says it on. */
export const eventsFd = 3
