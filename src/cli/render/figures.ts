/** Times and sizes as people say them: `2 h 10 m`, `412 k`, `$1.84`. */
export function age(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} m`;
  const days = Math.floor(hours / 24);
  return hours % 24 === 0 ? `${days} d` : `${days} d ${hours % 24} h`;
}

export function since(iso: string, now: number): string {
  return age(now - Date.parse(iso));
}

/** `0:41`, for a moving line. */
export function stopwatch(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** `3.1 s`, for something that has ended. */
export function lasted(ms: number): string {
  return ms < 60_000 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : age(ms);
}

export function tokens(count: number): string {
  if (count < 1000) return String(count);
  if (count < 999_500) return `${Math.round(count / 1000)} k`;
  return `${(count / 1e6).toFixed(1)} M`;
}

export function usd(amount: number): string {
  return amount.toFixed(2);
}

/** Said beside dollars that nobody is billed: price times tokens of what a subscription covers. */
export function imputed({ usd: all, imputedUsd = 0 }: { usd: number; imputedUsd?: number | undefined }): string {
  if (imputedUsd <= 0) return '';
  return imputedUsd >= all * (1 - 1e-9) ? ' (imputed)' : ` ($${usd(imputedUsd)} of it imputed)`;
}

export function gib(mib: number): string {
  const value = mib / 1024;
  return value >= 10 || Number.isInteger(value) ? String(Math.round(value)) : value.toFixed(1);
}

export function bytes(count: number): string {
  if (count < 1024 * 1024) return `${Math.ceil(count / 1024)} KiB`;
  if (count < 1024 ** 3) return `${Math.round(count / 1024 ** 2)} MiB`;
  return `${(count / 1024 ** 3).toFixed(1)} GiB`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

export function short(commit: string | null): string {
  return commit === null ? '–' : commit.slice(0, 7);
}

/** Clock time of this machine, `13:39:02`. */
export function clockTime(iso: string, timeZone?: string): string {
  const date = new Date(iso);
  if (timeZone) return date.toLocaleTimeString('en-GB', { hour12: false, timeZone });
  // By hand: a first use of locales takes a command 9 ms.
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':');
}
