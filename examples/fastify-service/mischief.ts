import type { FastifyInstance } from 'fastify'

/** What the launcher may ask of this process. */
export type MischiefCommand =
  | { readonly kind: 'busy'; readonly ms: number }
  | { readonly kind: 'hang' }

/** What this process tells the launcher. */
export type MischiefReport =
  | { readonly kind: 'listening'; readonly port: number }
  /** Sent before the event loop is blocked, because afterwards nothing can be sent. */
  | { readonly kind: 'blocking' }
  /** `isLeader`: what the first statement after the block has seen. */
  | { readonly kind: 'awake'; readonly isLeader: boolean }

/**
 * For the demonstration only: lets the launcher, over the channel of `child_process.fork`, block
 * this process in ways that no service should offer to anybody. Without that channel it does
 * nothing.
 */
export function allowMischief(app: FastifyInstance): void {
  if (process.send === undefined) return
  const report = (message: MischiefReport, done: () => void = () => {}): void => {
    process.send?.(message, undefined, undefined, done)
  }

  process.on('message', (command: MischiefCommand) => {
    report({ kind: 'blocking' }, () => {
      if (command.kind === 'hang') waitForEver()
      stayBusy(command.kind === 'busy' ? command.ms : 0)
      report({ kind: 'awake', isLeader: app.tenure.isLeader })
    })
  })
  // The launcher is gone: nobody is left to restart or to end this process.
  process.on('disconnect', () => void app.close().then(() => process.exit(0)))

  const address = app.server.address()
  if (typeof address === 'object' && address !== null) {
    report({ kind: 'listening', port: address.port })
  }
}

/** What a large JSON document, a catastrophic regular expression or a tight loop do. */
function stayBusy(ms: number): void {
  const endMs = performance.now() + ms
  while (performance.now() < endMs);
}

/** What a deadlock does: it blocks for ever, and uses no processor. */
function waitForEver(): never {
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
}
