import { dashboards } from './all.ts';
import { annotations } from './annotations.ts';
import type { Query } from './panel.ts';

/** One query of a panel, a variable or an annotation, as it stands in the dashboard. */
export interface ListedQuery {
  dashboard: string;
  panel: string;
  source: Query['source'];
  expr: string;
  legend?: string;
}

/** Every query of every dashboard. */
export function listQueries(): ListedQuery[] {
  const ofPanels = Object.entries(dashboards).flatMap(([dashboard, { rows, variables = [] }]) => [
    ...variables.flatMap(({ name, values }) =>
      values === undefined
        ? []
        : [{ dashboard, panel: `$${name}`, source: 'prometheus' as const, expr: seriesOf(values) }],
    ),
    ...rows.flatMap(({ panels }) =>
      panels.flatMap(({ title, queries }) => queries.map((query) => ({ dashboard, panel: title, ...query }))),
    ),
  ]);
  return [...ofPanels, ...annotations.map(({ name, query }) => ({ dashboard: 'all', panel: name, ...query }))];
}

/** `label_values(metric, label)` asks for the values of a label: as a query, which there are. */
function seriesOf(values: string): string {
  const [, metric = '', label = ''] = values.match(/^label_values\((\w+), (\w+)\)$/) ?? [];
  return `count by (${label}) (${metric})`;
}
