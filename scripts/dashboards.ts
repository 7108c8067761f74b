/**
 * `npm run dashboards`: writes telemetry/grafana/*.json and telemetry/queries.json, the list of all queries in them.
 * With `--check` it writes nothing and says what is not current.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dashboards } from './dashboards/all.ts';
import { buildDashboard } from './dashboards/build.ts';
import { listQueries } from './dashboards/queries.ts';

const folder = join(import.meta.dirname, '../telemetry');
const files = new Map<string, unknown>([
  ...Object.entries(dashboards).map(([name, one]) => [`grafana/${name}.json`, buildDashboard(one)] as const),
  ['queries.json', listQueries()],
]);
const isCheck = process.argv.includes('--check');
for (const [path, content] of files) {
  const file = join(folder, path);
  const text = `${JSON.stringify(content, null, 2)}\n`;
  if (!isCheck) writeFileSync(file, text);
  else if (readOrNothing(file) !== text) {
    console.log(`telemetry/${path} is not what scripts/dashboards makes of it; run: npm run dashboards`);
    process.exitCode = 1;
  }
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
