/**
 * The delay before retry number `retry` (1, 2, ...): `baseMs` doubled each time up to `maxMs`, and
 * then shortened at random by up to a fifth, so that instances which failed together do not come
 * back together. The first is never longer than `baseMs`: the relation `R + 2A + b` of the options
 * counts on that.
 */
export function backoffMs(
  retry: number,
  times: { readonly baseMs: number; readonly maxMs: number },
  random: () => number,
): number {
  const doubled = times.baseMs * 2 ** Math.min(retry - 1, 30)
  return Math.min(doubled, times.maxMs) * (1 - 0.2 * random())
}
