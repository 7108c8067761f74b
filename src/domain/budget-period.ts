import type { BudgetPeriod } from './budget.ts';

/** From `start` up to, not including, `end`; ms since the epoch. */
export interface Period {
  start: number;
  /** Null: it does not end by itself. */
  end: number | null;
}

/** The period that `now` lies in. Days and months are those of the host's time zone; a run began with the last `up`. */
export function periodAt(per: BudgetPeriod, now: number, { timeZone, runSince }: PeriodFrame): Period {
  if (per === 'total') return { start: 0, end: null };
  if (per === 'run') return { start: runSince, end: null };
  const [year, month, day] = dateAt(now, timeZone);
  if (per === 'day') {
    return { start: midnight([year, month, day], timeZone), end: midnight([year, month, day + 1], timeZone) };
  }
  return { start: midnight([year, month, 1], timeZone), end: midnight([year, month + 1, 1], timeZone) };
}

export interface PeriodFrame {
  /** IANA name, as `Intl` takes it. */
  timeZone: string;
  /** When the present run began. */
  runSince: number;
}

type LocalDate = [year: number, month: number, day: number];

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const made = new Intl.DateTimeFormat('en-CA-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, made);
  return made;
}

/** The wall clock's fields at an instant, as if they were UTC. */
function wallClock(at: number, timeZone: string): number {
  const parts: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(at)) parts[type] = Number(value);
  const { year = 1970, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second);
}

function dateAt(now: number, timeZone: string): LocalDate {
  const wall = new Date(wallClock(now, timeZone));
  return [wall.getUTCFullYear(), wall.getUTCMonth() + 1, wall.getUTCDate()];
}

/**
 * The first instant of a local date. Where midnight itself is skipped (clocks that go forward at 0:00) it is the first one
 * after; where it comes twice, the first.
 */
function midnight([year, month, day]: LocalDate, timeZone: string): number {
  const wanted = Date.UTC(year, month - 1, day);
  const offset = (at: number) => wallClock(at, timeZone) - Math.floor(at / 1000) * 1000;
  // The offsets on either side of a change are tried; the earliest instant whose wall clock has reached the date counts.
  const hours = [-26, 0, 26].map((by) => wanted - offset(wanted + by * 3_600_000));
  const reached = hours.filter((at) => wallClock(at, timeZone) >= wanted).sort((a, b) => a - b);
  return reached[0] ?? wanted;
}
