/** A circle among dependencies (each node once, in order), or null. Iterative: the graph comes from a file. */
export function cycleIn(edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const finished = new Set<string>();
  for (const start of edges.keys()) {
    const path: string[] = [];
    const rest: string[][] = [[start]];
    while (rest.length > 0) {
      const next = rest.at(-1)?.pop();
      if (next === undefined) {
        rest.pop();
        const left = path.pop();
        if (left !== undefined) finished.add(left);
        continue;
      }
      if (path.includes(next)) return path.slice(path.indexOf(next));
      if (finished.has(next) || !edges.has(next)) continue;
      path.push(next);
      rest.push([...(edges.get(next) ?? [])]);
    }
  }
  return null;
}
