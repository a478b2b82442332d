/** Where it stands what the clocks of a zone do, or what an expression means. */
const sources = {
  eu: 'tzdata, file europe, Rule EU: last Sunday of March and of October, 01:00 UTC',
  us: 'tzdata, file northamerica, Rule US: second Sunday of March, first of November, 2:00',
  lordHowe: 'tzdata, file australasia, Rule LH: half an hour, first Sundays of October and April',
  morocco: 'tzdata, file africa, Rule Morocco: +01, but +00 in Ramadan; Decree 2-18-855 of 2018',
  lebanon: 'tzdata, file asia, Rule Lebanon: at 0:00, last Sundays of March and October',
  cuba: 'tzdata, file northamerica, Rule Cuba: at 0:00 standard time, March and November',
  egypt:
    'tzdata, NEWS 2023c and file africa, Rule Egypt: last Friday of April, last Thursday of October',
  para: 'tzdata, NEWS 2024b/2025a and file southamerica: Law 7115 of 2024 keeps -03 for good',
  volgograd: 'tzdata, NEWS 2018f and 2020e, file europe: to +04 in 2018, back to +03 in 2020',
  jordan: 'tzdata, NEWS 2022e and file asia: Jordan stays at +03 from October 2022 on',
  mexico: 'tzdata, NEWS 2022f and file northamerica: no daylight-saving time after October 2022',
  turkey: 'tzdata, NEWS 2016g and file europe: +03 for good from 7 September 2016 on',
  samoa: 'tzdata, NEWS 2011h and file australasia: 30 December 2011 was left out',
  brazil: 'tzdata, NEWS 2019b and file southamerica: Decree 9772 of 2019 ends daylight-saving time',
  korea: 'tzdata, NEWS 2018e and file asia: Pyongyang from +08:30 to +09 on 4 May 2018 at 23:30',
  venezuela: 'tzdata, NEWS 2016d and file southamerica: from -04:30 to -04 on 1 May 2016 at 2:30',
  greenland:
    'tzdata, NEWS 2023a/2023f and file europe: Nuuk follows the EU from 2024 on, at -02/-01',
  troll: 'tzdata, file antarctica, Rule Troll: two hours, with the EU',
  sriLanka: 'tzdata, file asia, Zone Asia/Colombo: from +06 to +05:30 on 15 April 2006 at 0:30',
  newfoundland: 'tzdata, file northamerica, Rule StJohns: at 0:01 from 1987 to 2011',
  nepal: 'tzdata, file asia, Zone Asia/Kathmandu: +05:45 since 1986',
  southSudan: 'tzdata, NEWS 2021a and file africa: Juba from +03 to +02 on 1 February 2021 at 0:00',
  croner: 'README of croner 11, section Pattern',
  quartz: 'Quartz, tutorial of CronTrigger, section Special characters',
  crontab: 'crontab(5) of cronie',
} as const

/** What an expression is due at, in UTC, and why. */
export interface CronCase {
  readonly expression: string
  readonly zone: string
  /** The instant after which the ticks are asked for. */
  readonly after: string
  /** The next ticks, as many as are listed. */
  readonly ticks: readonly string[]
  readonly why: string
  readonly source: string
}

/**
 * The rows of one zone: an expression, the instant after which it is asked, its ticks, and why they
 * are that. Ticks are written without their day where it is that of the one before.
 */
function of(zone: string, source: keyof typeof sources, table: string): CronCase[] {
  const lines = table.split('\n').map((line) => line.trim())
  const rows = lines.filter((line) => line !== '' && !line.startsWith('//'))
  return rows.map((row) => {
    const [expression = '', after = '', text = '', why = ''] = row.split(' | ')
    let day = ''
    const ticks = text.split(' ').map((tick) => {
      if (tick.includes('T')) day = tick.slice(0, 10)
      return tick.includes('T') ? `${tick}Z` : `${day}T${tick}Z`
    })
    return { expression, zone, after: `${after}Z`, ticks, why, source: sources[source] }
  })
}

/** Worked out by hand from the sources; nothing here was printed by a parser of cron expressions. */
export const cronCases: readonly CronCase[] = [
  ...of(
    'Europe/Berlin',
    'eu',
    `
      // 30 March 2025: 01:59:59 +01, then 03:00:00 +02. 26 October 2025: 02:59:59 +02, then 02:00:00 +01.
      30 2 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T00:30 | 2:30 is skipped: 3:00
      0 2 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T00:00 | so is 2:00
      0 3 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T01:00 | 3:00 is not
      0,30 2 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T00:00 | both are skipped: once
      30 2-3 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 01:30 | 2:30 at 3:00, and 3:30 itself
      0 2,3 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T00:00 | meet at 3:00: once
      */15 2 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T00:00 | a named hour is skipped
      0 */2 * * * | 2025-03-29T22:30 | 2025-03-29T23:00 2025-03-30T01:00 02:00 04:00 | 2:00 at 3:00
      */15 * * * * | 2025-03-30T00:30 | 2025-03-30T00:45 01:00 01:15 | each quarter goes on
      30 * * * * | 2025-03-30T00:00 | 2025-03-30T00:30 01:30 02:30 | each hour goes on: none at 3:00
      * * * * * | 2025-03-30T00:58 | 2025-03-30T00:59 01:00 01:01 | each minute goes on
      @hourly | 2025-03-30T00:00 | 2025-03-30T01:00 02:00 | is due in each hour
      30 2 * * * | 2025-10-25T12:00 | 2025-10-26T00:30 2025-10-27T01:30 | 2:30 occurs twice: the first
      30 2 * * * | 2025-10-26T00:45 | 2025-10-27T01:30 | asked between the two
      30 2 * * * | 2025-10-26T01:10 | 2025-10-27T01:30 | asked in the repeated hour
      0 3 * * * | 2025-10-26T00:30 | 2025-10-26T02:00 2025-10-27T02:00 | 3:00 occurs once, late
      */20 1-3 * * * | 2025-10-26T00:30 | 2025-10-26T00:40 02:00 02:20 | named hours are not repeated
      */15 * * * * | 2025-10-26T00:30 | 2025-10-26T00:45 01:00 01:15 01:30 01:45 02:00 | each real one
      0 0-23 * * * | 2025-10-25T23:30 | 2025-10-26T00:00 01:00 02:00 | all hours, written otherwise
      30 2 26 * * | 2025-10-26T00:45 | 2025-11-26T01:30 | the repeated time is of this month, too
      15 30 2 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-31T00:30:15 | seconds are skipped, too
      */30 * * * * * | 2025-10-26T00:59:10 | 2025-10-26T00:59:30 01:00 01:00:30 | seconds go on
    `,
  ),
  ...of(
    'America/New_York',
    'us',
    `
      // 9 March 2025: 01:59:59 -05, then 03:00:00 -04. 2 November 2025: 01:59:59 -04, then 01:00:00 -05.
      30 2 * * * | 2025-03-08T12:00 | 2025-03-09T07:00 2025-03-10T06:30 | 2:30 is skipped: 3:00
      30 1 * * * | 2025-11-01T12:00 | 2025-11-02T05:30 2025-11-03T06:30 | 1:30 occurs twice: the first
      0 2 * * * | 2025-11-01T12:00 | 2025-11-02T07:00 2025-11-03T07:00 | 2:00 occurs once
      0 * * * * | 2025-11-02T04:30 | 2025-11-02T05:00 06:00 07:00 | each real hour
      0 9 * * MON | 2025-03-03T15:00 | 2025-03-10T13:00 2025-03-17T13:00 | 9:00 before and after
    `,
  ),
  ...of(
    'Australia/Lord_Howe',
    'lordHowe',
    `
      // 5 October 2025: 01:59:59 +10:30, then 02:30:00 +11. 6 April 2025: 01:59:59 +11, then 01:30:00 +10:30.
      15 2 * * * | 2025-10-04T00:00 | 2025-10-04T15:30 2025-10-05T15:15 | 2:15 is skipped: 2:30
      30 2 * * * | 2025-10-04T00:00 | 2025-10-04T15:30 2025-10-05T15:30 | 2:30 is shown
      15,45 2 * * * | 2025-10-04T00:00 | 2025-10-04T15:30 15:45 | 2:15 at 2:30, and 2:45 itself
      45 1 * * * | 2025-04-05T00:00 | 2025-04-05T14:45 2025-04-06T15:15 | 1:45 twice: the first
      15 1 * * * | 2025-04-05T00:00 | 2025-04-05T14:15 2025-04-06T14:45 | 1:15 occurs once
      */15 * * * * | 2025-04-05T14:30 | 2025-04-05T14:45 15:00 15:15 15:30 | 1:45, 1:30, 1:45, 2:00
      0 * * * * | 2025-10-04T14:00 | 2025-10-04T14:30 16:00 17:00 | 1:00, 3:00: no 2:00 is shown
    `,
  ),
  ...of(
    'Africa/Casablanca',
    'morocco',
    `
      // 23 February 2025: 02:59:59 +01, then 02:00:00 +00. 6 April 2025: 01:59:59 +00, then 03:00:00 +01.
      30 2 * * * | 2025-02-22T12:00 | 2025-02-23T01:30 2025-02-24T02:30 | before Ramadan: the first 2:30
      30 2 * * * | 2025-04-05T12:00 | 2025-04-06T02:00 2025-04-07T01:30 | after it, 2:30 is skipped
      0 12 * * * | 2025-02-22T00:00 | 2025-02-22T11:00 2025-02-23T12:00 | noon of the days around
      30 * * * * | 2025-02-23T01:00 | 2025-02-23T01:30 02:30 03:30 | each real hour
    `,
  ),
  ...of(
    'Asia/Beirut',
    'lebanon',
    `
      // 30 March 2025: 23:59:59 +02, then 01:00:00 +03. 25 October 2025: 23:59:59 +03, then 23:00:00 +02.
      @daily | 2025-03-29T12:00 | 2025-03-29T22:00 2025-03-30T21:00 | midnight is skipped: 1:00
      30 0 30 3 * | 2025-03-01T00:00 | 2025-03-29T22:00 | 0:30 of that day, right after the gap
      30 23 * * * | 2025-10-25T12:00 | 2025-10-25T20:30 2025-10-26T21:30 | 23:30 twice: the first
      0 0 * * * | 2025-10-25T12:00 | 2025-10-25T22:00 2025-10-26T22:00 | midnight is not repeated
      30 * 25 10 * | 2025-10-25T20:00 | 2025-10-25T20:30 21:30 | the last hour of the day, both times
    `,
  ),
  ...of(
    'America/Havana',
    'cuba',
    `
      // 9 March 2025: 23:59:59 -05, then 01:00:00 -04. 2 November 2025: 00:59:59 -04, then 00:00:00 -05.
      0 0 * * * | 2025-03-08T12:00 | 2025-03-09T05:00 2025-03-10T04:00 | midnight is skipped: 1:00
      0 0 * * * | 2025-11-01T12:00 | 2025-11-02T04:00 2025-11-03T05:00 | midnight twice: the first
      @weekly | 2025-11-01T12:00 | 2025-11-02T04:00 2025-11-09T05:00 | of the week, too
    `,
  ),
  ...of(
    'Africa/Cairo',
    'egypt',
    `
      // 25 April 2025: 23:59:59 +02, then 01:00:00 +03. 30 October 2025: 23:59:59 +03, then 23:00:00 +02.
      15 0 * * FRI | 2025-04-24T12:00 | 2025-04-24T22:00 2025-05-01T21:15 | 0:15 of Friday is skipped
      15 23 * * * | 2025-10-30T12:00 | 2025-10-30T20:15 2025-10-31T21:15 | 23:15 twice: the first
    `,
  ),
  ...of(
    'America/Asuncion',
    'para',
    `
      // 6 October 2024: 23:59:59 -04, then 01:00:00 -03. 23 March 2024: 23:59:59 -03, then 23:00:00 -04.
      0 0 * * * | 2024-10-05T12:00 | 2024-10-06T04:00 2024-10-07T03:00 | midnight is skipped: 1:00
      45 23 * * * | 2024-03-23T12:00 | 2024-03-24T02:45 2024-03-25T03:45 | 23:45 twice: the first
      45 23 * * * | 2025-03-22T12:00 | 2025-03-23T02:45 2025-03-24T02:45 | not in 2025: the new law
    `,
  ),
  ...of(
    'Europe/Volgograd',
    'volgograd',
    `
      // 28 October 2018: 01:59:59 +03, then 03:00:00 +04. 27 December 2020: 01:59:59 +04, then 01:00:00 +03.
      30 2 * * * | 2018-10-27T12:00 | 2018-10-27T23:00 2018-10-28T22:30 | the zone moves east
      30 1 * * * | 2020-12-26T12:00 | 2020-12-26T21:30 2020-12-27T22:30 | and back: the first 1:30
    `,
  ),
  ...of(
    'Asia/Amman',
    'jordan',
    `
      // 25 February 2022: 23:59:59 +02, then 01:00:00 +03; it has stayed so.
      0 0 * * * | 2022-02-24T12:00 | 2022-02-24T22:00 2022-02-25T21:00 | midnight is skipped: 1:00
      30 0 * * * | 2022-10-27T12:00 | 2022-10-27T21:30 2022-10-28T21:30 | the old rule repeated 0:30
    `,
  ),
  ...of(
    'America/Mexico_City',
    'mexico',
    `
      // 30 October 2022: 01:59:59 -05, then 01:00:00 -06; it has stayed so.
      30 1 * * * | 2022-10-29T12:00 | 2022-10-30T06:30 2022-10-31T07:30 | 1:30 twice, the last time
      30 2 * * * | 2023-04-01T12:00 | 2023-04-02T08:30 2023-04-03T08:30 | the old rule skipped 2:30
    `,
  ),
  ...of(
    'Europe/Istanbul',
    'turkey',
    `
      // 27 March 2016: 02:59:59 +02, then 04:00:00 +03; it has stayed so.
      30 3 * * * | 2016-03-26T12:00 | 2016-03-27T01:00 2016-03-28T00:30 | 3:30 is skipped: 4:00
      30 3 * * * | 2016-10-29T12:00 | 2016-10-30T00:30 2016-10-31T00:30 | the old rule repeated 3:30
    `,
  ),
  ...of(
    'Pacific/Apia',
    'samoa',
    `
      // 29 December 2011: 23:59:59 -10, then 31 December 00:00:00 +14.
      0 3 * * * | 2011-12-29T12:00 | 2011-12-29T13:00 2011-12-30T10:00 13:00 | a day is skipped: once
      0 * * * * | 2011-12-30T08:30 | 2011-12-30T09:00 10:00 11:00 | each real hour
    `,
  ),
  ...of(
    'Asia/Pyongyang',
    'korea',
    `
      45 23 * * * | 2018-05-04T00:00 | 2018-05-04T15:00 2018-05-05T14:45 | due on the next day: 0:00
    `,
  ),
  ...of(
    'America/Nuuk',
    'greenland',
    `
      // 30 March 2024: 22:59:59 -02, then 31 March 00:00:00 -01.
      30 23 * * SAT | 2024-03-30T12:00 | 2024-03-31T01:00 2024-04-07T00:30 | due on the Sunday
    `,
  ),
  ...of(
    'America/Caracas',
    'venezuela',
    `
      45 2 * * * | 2016-04-30T12:00 | 2016-05-01T07:00 2016-05-02T06:45 | 2:45 is skipped: 3:00
    `,
  ),
  ...of(
    'America/Sao_Paulo',
    'brazil',
    `
      0 0 * * * | 2018-11-03T12:00 | 2018-11-04T03:00 2018-11-05T02:00 | midnight is skipped: 1:00
      0 0 * * * | 2019-11-02T12:00 | 2019-11-03T03:00 2019-11-04T03:00 | not a year later
    `,
  ),
  ...of(
    'Antarctica/Troll',
    'troll',
    `
      // 30 March 2025: 00:59:59 +00, then 03:00:00 +02. 26 October 2025: 02:59:59 +02, then 01:00:00 +00.
      30 1,2 * * * | 2025-03-29T12:00 | 2025-03-30T01:00 2025-03-30T23:30 | two hours are skipped: once
      30 1,2 * * * | 2025-10-25T12:00 | 2025-10-25T23:30 2025-10-26T00:30 2025-10-27T01:30 | the first
    `,
  ),
  ...of(
    'Asia/Colombo',
    'sriLanka',
    `
      15 0 * * * | 2006-04-14T12:00 | 2006-04-14T18:15 2006-04-15T18:45 | 0:15 twice in half an hour
    `,
  ),
  ...of(
    'America/St_Johns',
    'newfoundland',
    `
      0 1 * * * | 2006-04-01T12:00 | 2006-04-02T03:31 2006-04-03T03:30 | 1:00 is skipped: 1:01
      0 0 * * * | 2006-04-01T12:00 | 2006-04-02T03:30 2006-04-03T02:30 | midnight is shown, for a minute
    `,
  ),
  ...of(
    'Africa/Juba',
    'southSudan',
    `
      30 23 31 * * | 2021-01-31T12:00 | 2021-01-31T20:30 | the 31st comes back for an hour
    `,
  ),
  ...of(
    'Asia/Kathmandu',
    'nepal',
    `
      0 0 * * * | 2025-01-01T00:00 | 2025-01-01T18:15 2025-01-02T18:15 | three quarters of an hour
    `,
  ),
  ...of(
    'UTC',
    'croner',
    `
      0 12 L * * | 2024-02-01T00:00 | 2024-02-29T12:00 2024-03-31T12:00 | the last day of the month
      0 12 15W * * | 2025-02-01T00:00 | 2025-02-14T12:00 2025-03-14T12:00 | a Saturday: the Friday
      0 12 1W * * | 2025-02-01T00:00 | 2025-02-03T12:00 | not into the month before: the Monday
      0 12 LW * * | 2025-05-01T00:00 | 2025-05-30T12:00 2025-06-30T12:00 | the last weekday
      0 12 * * FRI#2 | 2025-08-01T00:00 | 2025-08-08T12:00 2025-09-12T12:00 | the second Friday
      0 12 * * 5L | 2025-08-01T00:00 | 2025-08-29T12:00 2025-09-26T12:00 | the last Friday
      0 12 * * 7 | 2025-08-01T00:00 | 2025-08-03T12:00 2025-08-10T12:00 | Sunday is 0 and 7
      0 12 1 * +MON | 2025-08-01T00:00 | 2025-09-01T12:00 | the first, if it is a Monday
    `,
  ),
  ...of(
    'UTC',
    'crontab',
    `
      0 12 1 * MON | 2025-08-02T00:00 | 2025-08-04T12:00 2025-08-11T12:00 | the first, or a Monday
      0 22 * * 1-5 | 2025-08-01T23:00 | 2025-08-04T22:00 2025-08-05T22:00 | weekdays
      23 0-23/2 * * * | 2025-08-01T00:00 | 2025-08-01T00:23 02:23 04:23 | every other hour
      0 4 * JAN,jul Sun | 2025-06-29T00:00 | 2025-07-06T04:00 2025-07-13T04:00 | names, in any case
      @yearly | 2025-12-01T00:00 | 2026-01-01T00:00 | a nickname
    `,
  ),
  ...of(
    'UTC',
    'quartz',
    `
      0 15 10 ? * 6#3 | 2025-08-01T00:00 | 2025-08-16T10:15 | six fields; day 6 is Saturday here
      0 0 12 29 2 ? | 2024-02-20T00:00 | 2024-02-29T12:00 | only in leap years
    `,
  ),
]
