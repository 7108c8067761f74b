/** Looks that are further apart do not make one time: the host may have slept between them, and its VMs with it. */
export const longestGapMs = 120_000;

/**
 * Milliseconds by which the clock went on, or back, while nobody looked: the host slept, or somebody set its clock. 0 between two looks as
 * they should be. Asked once for each look.
 */
export function createSleepWatch(): (now: number) => number {
  let last: number | null = null;
  return (now) => {
    const gap = last === null ? 0 : now - last;
    last = now;
    return gap > longestGapMs || gap < 0 ? gap : 0;
  };
}
