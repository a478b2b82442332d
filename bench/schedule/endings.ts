type Ending = () => void | Promise<void>

const endings = new Set<Ending>()
const starts = new Set<Promise<unknown>>()
let ended = false

/** Has something ended with the benchmark, however that ends; returns what ends it before. */
export function endLater(end: Ending): () => Promise<void> {
  endings.add(end)
  return async () => {
    if (endings.delete(end)) await end()
  }
}

/** Starts something that is ended with the benchmark; once that has ended, nothing ever starts. */
export function startUnlessEnded<Started>(start: () => Promise<Started>): Promise<Started> {
  if (ended) return new Promise(() => {})
  const started = start()
  starts.add(started)
  return started.finally(() => starts.delete(started))
}

/** Ends all that is left, the latest first: whoever uses a server ends before it. */
export async function endAll(): Promise<void> {
  ended = true
  // What is on its way up can be ended once it is there.
  await Promise.allSettled(starts)
  const all = [...endings].toReversed()
  endings.clear()
  for (const end of all) {
    try {
      await end()
    } catch (error) {
      console.error(error)
    }
  }
}
