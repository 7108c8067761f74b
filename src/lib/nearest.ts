/** The up to `max` known words most like a mistyped one, best first; none when nothing is near (more than a third wrong). */
export function nearest(word: string, known: readonly string[], max = 3): string[] {
  const wanted = word.slice(0, 64).toLowerCase();
  return known
    .map((candidate) => ({ candidate, far: distanceTo(wanted, candidate.toLowerCase()) }))
    .filter(({ candidate, far }) => far <= Math.max(1, Math.ceil(Math.max(wanted.length, candidate.length) / 3)))
    .sort((a, b) => a.far - b.far || a.candidate.localeCompare(b.candidate))
    .slice(0, max)
    .map(({ candidate }) => candidate);
}

/** A prefix counts as near: people stop typing early. Else the edit distance where swapping two neighbours is one edit. */
function distanceTo(a: string, b: string): number {
  if (a.length >= 2 && b.startsWith(a)) return 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const change = (previous[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(
        Math.min(change, (previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, swap ? (before[j - 2] ?? 0) + 1 : change),
      );
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? b.length;
}
