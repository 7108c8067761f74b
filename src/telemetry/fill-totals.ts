import type { Source } from './meters.ts';
import { type CounterName, metrics } from './metrics.ts';

/** Totals as they are kept in the store; names that this version does not know are passed over. */
interface Total {
  name: string;
  labels: Readonly<Record<string, string>>;
  value: number;
}

/**
 * Shows what the store counts. A series that comes to be while the process lives, of a new project or model, is shown at 0 once before its
 * value: `increase` sees nothing of what a series begins with. One that was there before goes on where it stood.
 */
export function createTotals(all: () => readonly Total[]): Source {
  const known = () => all().filter(({ name }) => name in metrics);
  const keyOf = ({ name, labels }: Total) => `${name} ${JSON.stringify(labels)}`;
  const shown = new Set(known().map(keyOf));
  return (put) => {
    for (const total of known()) {
      const key = keyOf(total);
      put.total(total.name as CounterName, total.labels as never, shown.has(key) ? total.value : 0);
      shown.add(key);
    }
  };
}
