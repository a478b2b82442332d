/**
 * The ticks of a fixed rate: `anchorMs + everyMs`, `anchorMs + 2 everyMs`, ... Counting from the
 * anchor, and not from the last run, keeps lateness from adding up.
 *
 * @returns the first tick after `nowMs`
 */
export function nextOfInterval(anchorMs: number, everyMs: number, nowMs: number): number {
  const passed = Math.max(0, Math.floor((nowMs - anchorMs) / everyMs))
  const next = anchorMs + (passed + 1) * everyMs
  // Rounding may have put it at `nowMs` itself.
  return next > nowMs ? next : next + everyMs
}
