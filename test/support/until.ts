/** Now, on the monotonic clock that all processes share. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/** Waits for something to become true, bounded: what is awaited is named in the error. */
export async function until<Value>(
  what: string,
  find: () => Value | undefined | false | Promise<Value | undefined | false>,
  withinMs = 60_000,
): Promise<Value> {
  const endMs = nowMs() + withinMs
  for (;;) {
    const found = await find()
    if (found !== undefined && found !== false) return found
    if (nowMs() > endMs) throw new Error(`waited ${withinMs} ms in vain for: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
