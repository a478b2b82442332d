import type { Mutant } from './mutant.ts'

const hash = "the record tells the hash over its holder's jobs as that said it last, or none at all"

/**
 * Broken stores, of which the kit catches each by a case that it names; four more are among those
 * of the lease.
 */
export const storeMutants: readonly Mutant[] = [
  {
    what: 'a store renews by token only',
    file: 'src/store/memory/lease-table.ts',
    from: "if (row.holder !== holder || row.token !== token) {\n      return { kind: 'refused'",
    to: "if (row.token !== token) {\n      return { kind: 'refused'",
    suite: 'stores/memory',
    test: "a renewal with the right token and another's name is refused",
  },
  {
    what: 'a store forgets to change the holder at a takeover',
    file: 'src/store/memory/lease-table.ts',
    from: '      holder,\n      token,\n      application,\n      label,\n      ttlMs,\n      renewals: 0,',
    to: '      holder: row?.holder ?? holder,\n      token: row?.token ?? token,\n      application,\n      label,\n      ttlMs,\n      renewals: 0,',
    suite: 'stores/memory',
    test: [
      'after a takeover the old holder can neither renew nor release',
      'a late release of an older term does nothing',
    ],
  },
  {
    what: 'a store gives the retry of an acquisition a new token',
    file: 'src/store/memory/lease-table.ts',
    from: "      return { kind: 'acquired', token: row.token }",
    to: "      this.#tokens.set(lease, ++row.token)\n      return { kind: 'acquired', token: row.token }",
    suite: 'stores/memory',
    test: 'a retry by the same holder yields the same token, a new acquisition a higher one',
  },
  {
    what: 'a store hands the lease over while it is held',
    file: 'src/store/memory/lease-table.ts',
    from: 'if (row !== undefined && nowMs - row.renewedMs < row.ttlMs) {',
    to: 'if (row !== undefined && row.ttlMs < 0) {',
    suite: 'stores/memory',
    test: [
      'a second holder is refused, and told by whom and for how long',
      '20 concurrent acquisitions have one winner',
    ],
  },
  {
    what: 'a store believes an observation of a record that has changed since',
    file: 'src/store/memory/lease-table.ts',
    from: 'observed?.token === row.token && observed.renewals === row.renewals',
    to: 'observed !== undefined',
    suite: 'stores/memory',
    test: 'a record that was watched, unchanged, is handed over, and a changed one is not',
  },
  {
    what: 'a store keeps a wish to resign for the next leader',
    file: 'src/store/memory/lease-table.ts',
    from: 'if (row === undefined || row.token !== request.token) return',
    to: 'if (row === undefined) return',
    suite: 'stores/memory',
    test: 'a resign request reaches the leader, bound to its token',
  },
  {
    what: 'a store takes all names for one',
    file: 'src/store/memory/lease-table.ts',
    from: '    const { lease, holder, application, label, jobsHash, ttlMs, observed } = request\n',
    to: "    const { holder, application, label, jobsHash, ttlMs, observed } = request\n    const lease = 'scheduler'\n",
    suite: 'stores/memory',
    test: 'two names are independent',
  },
  {
    what: "a store keeps the hash over its holder's jobs from the acquisition",
    file: 'src/store/memory/lease-table.ts',
    from: "    extend(row, ttlMs, nowMs)\n    row.jobsHash = jobsHash\n    return { kind: 'renewed'",
    to: "    extend(row, ttlMs, nowMs)\n    return { kind: 'renewed'",
    suite: 'stores/memory',
    test: hash,
  },
  {
    what: 'a store tells the hash over the jobs of whoever asks',
    file: 'src/store/memory/lease-table.ts',
    from: 'record: this.#recordOf(row) }\n    }',
    to: 'record: { ...this.#recordOf(row), jobsHash } }\n    }',
    suite: 'stores/memory',
    test: hash,
  },
  {
    what: 'a store does not extend the lease when it is renewed',
    file: 'src/store/memory/lease-table.ts',
    from: "    extend(row, ttlMs, nowMs)\n    row.jobsHash = jobsHash\n    return { kind: 'renewed'",
    to: "    row.jobsHash = jobsHash\n    return { kind: 'renewed'",
    suite: 'stores/memory',
    test: "a renewal extends by the store's clock",
  },
]
