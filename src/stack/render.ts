import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { FleetError } from '../lib/errors.ts';
import { resourcePath } from '../lib/resources.ts';
import type { Addresses, ServiceName } from './services.ts';

/** Rendered files of one service: path below its configuration folder -> text. */
export type Rendered = ReadonlyMap<string, string>;

/** Where things are for the service itself: inside its container, or on this host. */
export interface Places {
  config: string;
  data: string;
}

/**
 * The configuration of one service, from the templates that come with the program. Dashboards and rules are taken as they are.
 * Throws `bug` for a placeholder nobody fills.
 */
export async function renderService(name: ServiceName, addresses: Addresses, places: Places): Promise<Rendered> {
  const folder = resourcePath(join('telemetry', name));
  const rendered = new Map<string, string>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(ya?ml|json)$/.test(entry.name) || /\.test\.ya?ml$/.test(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const text = await readFile(file, 'utf8');
    rendered.set(relative(folder, file), isTemplate(text) ? fill(text, valuesFor(addresses, places)) : text);
  }
  return new Map([...rendered].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Rules and dashboards have `$…` of their own, which are not ours to fill. */
function isTemplate(text: string): boolean {
  return text.startsWith('# Rendered by');
}

function valuesFor({ listenHost, ports, peer, scrape }: Addresses, places: Places): Record<string, string> {
  return {
    listenHost,
    scrape,
    rules: join(places.config, 'alerts*.yml'),
    dashboards: places.config,
    data: places.data,
    prometheusUrl: peer.prometheus,
    lokiUrl: peer.loki,
    tempoUrl: peer.tempo,
    ...Object.fromEntries(Object.entries(ports).map(([port, number]) => [port, String(number)])),
  };
}

/** `${name}` -> its value; `$${…}` stays as it is. */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/(\$)?\$\{(\w+)([^}]*)\}/g, (whole, escaped: string | undefined, name: string, rest: string) => {
    if (escaped !== undefined) return whole;
    const value = rest === '' ? values[name] : undefined;
    if (value === undefined)
      throw new FleetError('bug', `A template of the telemetry stack wants \`${name}\`, which nobody fills.`);
    return value;
  });
}

/** Writes what differs, removes what is no longer there. Readable to other users: containers run as users of their own. */
export async function writeRendered(folder: string, files: Rendered): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const [path, text] of files) {
    const file = join(folder, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    if ((await readFile(file, 'utf8').catch(() => null)) !== text) await writeFileAtomic(file, text, 0o644);
  }
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name));
    if (entry.isFile() && !files.has(path)) await rm(join(folder, path), { force: true });
  }
}
