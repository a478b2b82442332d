import { setTimeout as sleep } from 'node:timers/promises'

const everyMs = 350
const answerMsMax = 1_000
const users = ['ada', 'grace', 'edsger', 'barbara', 'donald']

/** A trickle of requests, to one instance after the other, as users would make them. */
export async function makeRequests(
  addresses: () => readonly string[],
  signal: AbortSignal,
): Promise<void> {
  let turn = 0
  let sessionId = ''
  while (!signal.aborted) {
    const all = addresses()
    const address = all[turn % all.length]
    turn++
    if (address !== undefined) {
      // Sessions are looked up more often than they are made, and now and then one has expired.
      const creates = turn % 4 === 0
      sessionId = (await request(address, creates, sessionId, turn)) ?? sessionId
    }
    await sleep(everyMs, undefined, { signal }).catch(() => {})
  }
}

async function request(
  address: string,
  creates: boolean,
  sessionId: string,
  turn: number,
): Promise<string | undefined> {
  const signal = AbortSignal.timeout(answerMsMax)
  try {
    if (!creates) {
      const response = await fetch(`${address}/sessions/${sessionId}`, { signal })
      await response.arrayBuffer()
      return undefined
    }
    const response = await fetch(`${address}/sessions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ user: users[turn % users.length] }),
      signal,
    })
    const { id } = (await response.json()) as { id?: string }
    return id
  } catch {
    // An instance that was just blocked or killed does not answer: users would try again.
    return undefined
  }
}
