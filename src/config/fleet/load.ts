import { readFile } from 'node:fs/promises';
import type { FleetConfig } from '../../domain/fleet.ts';
import { FleetError } from '../../lib/errors.ts';
import { checkDocument, parseYaml, type Source } from '../document.ts';
import { type ParsedDocument, problemAt } from '../parsed.ts';
import { type FileProblem, formatPath, type Read } from '../problems.ts';
import { type FleetFile, fleetFile, withoutEffect } from './schema.ts';

/** fleet.yaml -> what the fleet is asked to be. Throws `invalid_file` with every problem. */
export function readFleetConfig(source: Source): Read<FleetConfig> {
  const parsed = parseYaml(source);
  const file = checkDocument(source, parsed, fleetFile);
  return { value: toConfig(file), warnings: warnings(parsed) };
}

export function defaultFleetConfig(): FleetConfig {
  return toConfig(fleetFile.parse({ version: 1 }));
}

/** The file at `path`; a missing one is the defaults, unless the user named it. */
export async function loadFleetConfig(path: string, named: boolean): Promise<Read<FleetConfig>> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    if (missing && !named) return { value: defaultFleetConfig(), warnings: [] };
    throw new FleetError(missing ? 'not_found' : 'invalid_file', `Cannot read the configuration \`${path}\`.`, {
      remedy: missing ? 'Name an existing file with --config, or leave it out for the defaults.' : `ls -l ${path}`,
      cause,
    });
  }
  return readFleetConfig({ file: path, text });
}

const defaultVariable: Record<string, string> = { anthropic: 'ANTHROPIC_API_KEY', openai: 'OPENAI_API_KEY' };

function toConfig(file: FleetFile): FleetConfig {
  const { cpus, memoryMiB, diskGiB, count, warm } = file.vms;
  const { iterationsPerTask, uncountedPerTask, stagnationAfter, reviewsWaiting, reviewRounds } = file.limits;
  const { cli, model, maxTurns, iterationTimeoutMinutes } = file.agent;
  return {
    name: file.name,
    driver: file.driver,
    wall: file.wall,
    image: file.image,
    vms: { count, size: { cpus, memoryMiB, diskGiB }, warm },
    roles: file.roles,
    agent: {
      cli,
      model: model === 'default' ? null : model,
      maxTurns,
      iterationTimeoutMs: Math.round(iterationTimeoutMinutes * 60_000),
    },
    budget: file.budget,
    limits: { iterationsPerTask, uncountedPerTask, stagnationAfter, reviewsWaiting, reviewRounds },
    credentials: Object.fromEntries(
      Object.entries(file.credentials).map(([provider, from]) => [provider, credential(provider, from)]),
    ),
    review: file.review,
    integrate: file.integrate,
    notify: file.notify,
    upstream: file.upstream,
  };
}

function credential(provider: string, from: FleetFile['credentials'][string]): FleetConfig['credentials'][string] {
  if (from.from === 'file') return { from: 'file', name: from.path };
  return { from: 'env', name: from.name ?? defaultVariable[provider] ?? `${provider.toUpperCase()}_API_KEY` };
}

function warnings(parsed: ParsedDocument): FileProblem[] {
  return withoutEffect.flatMap((path) => {
    const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], parsed.value);
    if (value === undefined || (Array.isArray(value) && value.length === 0)) return [];
    const message = 'has no effect in this version';
    return [problemAt(parsed, path, formatPath(path), { message, remedy: null, key: true })];
  });
}
