type Ending = () => void | Promise<void>

const endings = new Set<Ending>()

/** Has something ended with the benchmark, however that ends; returns what ends it before. */
export function endLater(end: Ending): () => Promise<void> {
  endings.add(end)
  return async () => {
    if (endings.delete(end)) await end()
  }
}

/** Ends all that is left, the latest first: whoever uses a server ends before it. */
export async function endAll(): Promise<void> {
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
