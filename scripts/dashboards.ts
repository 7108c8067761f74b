/** `npm run dashboards`: writes telemetry/grafana/*.json, and telemetry/queries.json: all queries in them. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dashboards } from './dashboards/all.ts';
import { buildDashboard } from './dashboards/build.ts';
import { listQueries } from './dashboards/queries.ts';

/** Path from the project's root -> text. */
export function dashboardFiles(): Map<string, string> {
  const files = Object.entries(dashboards).map(
    ([name, one]) => [`telemetry/grafana/${name}.json`, buildDashboard(one)] as const,
  );
  return new Map(
    [...files, ['telemetry/queries.json', listQueries()] as const].map(([path, content]) => [
      path,
      `${JSON.stringify(content, null, 2)}\n`,
    ]),
  );
}

if (process.argv[1] === import.meta.filename)
  for (const [path, text] of dashboardFiles()) await writeFile(join(import.meta.dirname, '..', path), text);
