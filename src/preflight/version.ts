/** The first dotted number in what a command printed: `tmux 3.3a` gives [3, 3]. Null when there is none. */
export function parseVersion(text: string): number[] | null {
  const found = /(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?/.exec(text.slice(0, 2000));
  return found === null ? null : found.slice(1).flatMap((part) => (part === undefined ? [] : [Number(part)]));
}

/** True when `version` is at least `least`; missing parts count as 0. */
export function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (let at = 0; at < Math.max(version.length, least.length); at++) {
    const difference = (version[at] ?? 0) - (least[at] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

export function showVersion(version: readonly number[]): string {
  return version.join('.');
}
