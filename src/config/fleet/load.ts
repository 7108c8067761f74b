import { defaultSource, providers } from '../../domain/credential.ts';
import type { FleetConfig } from '../../domain/fleet.ts';
import { FleetError, isFleetError } from '../../lib/errors.ts';
import { readTextFile } from '../../lib/read-text.ts';
import { checkDocument, maxBytes, parseYaml, type Source } from '../document.ts';
import { type ParsedDocument, problemAt } from '../parsed.ts';
import { type FileProblem, formatPath, type Read, refuseProblems } from '../problems.ts';
import { type FleetFile, fleetFile, withoutEffect } from './schema.ts';

/** fleet.yaml -> what the fleet is asked to be. Throws `invalid_file` with every problem. */
export function readFleetConfig(source: Source): Read<FleetConfig> {
  const parsed = parseYaml(source);
  const file = checkDocument(source, parsed, fleetFile);
  refuseContradictions(source, parsed, file);
  return { value: toConfig(file), warnings: warnings(parsed) };
}

export function defaultFleetConfig(): FleetConfig {
  return toConfig(fleetFile.parse({ version: 1 }));
}

/** The file at `path`; a missing one is the defaults, unless the user named it. */
export async function loadFleetConfig(path: string, named: boolean): Promise<Read<FleetConfig>> {
  try {
    return readFleetConfig({ file: path, text: await readTextFile(path, maxBytes) });
  } catch (error) {
    if (!isFleetError(error, 'not_found')) throw error;
    if (!named) return { value: defaultFleetConfig(), warnings: [] };
    throw new FleetError('not_found', `Cannot read the configuration \`${path}\`: there is no such file.`, {
      remedy: 'Name an existing file with --config or RALPH_FLEET_CONFIG, or leave it out for the defaults.',
      cause: error,
    });
  }
}

function toConfig(file: FleetFile): FleetConfig {
  const { cpus, memoryMiB, diskGiB, count, warm, snapshots } = file.vms;
  const { iterationsPerTask, uncountedPerTask, stagnationAfter, reviewsWaiting, reviewRounds } = file.limits;
  const { keepFreeOfUsageWindow, silenceMinutes } = file.limits;
  const { cli, model, maxTurns, iterationTimeoutMinutes } = file.agent;
  return {
    name: file.name,
    driver: file.driver,
    wall: file.wall,
    image: file.image,
    vms: { count, size: { cpus, memoryMiB, diskGiB }, warm, snapshots },
    host: file.host,
    keep: file.keep,
    roles: file.roles,
    agent: {
      cli,
      model: model === 'default' ? null : model,
      maxTurns,
      iterationTimeoutMs: Math.round(iterationTimeoutMinutes * 60_000),
    },
    budget: file.budget,
    limits: {
      iterationsPerTask,
      uncountedPerTask,
      stagnationAfter,
      reviewsWaiting,
      reviewRounds,
      keepFreeOfUsageWindow,
      silenceMs: Math.round(silenceMinutes * 60_000),
    },
    credentials: credentials(file),
    review: file.review,
    integrate: file.integrate,
    notify: file.notify,
    upstream: file.upstream,
    metrics: file.metrics,
    telemetry: { loki: file.telemetry?.loki?.url ?? null, otlp: file.telemetry?.otlp?.url ?? null },
  };
}

function credentials(file: FleetFile): FleetConfig['credentials'] {
  const named = providers.flatMap((provider) => {
    const said = file.credentials[provider];
    return said === undefined ? [] : [[provider, { ...defaultSource(provider, said.from), ...withoutUndefined(said) }]];
  });
  return Object.fromEntries(named);
}

function withoutUndefined(said: object): object {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined));
}

function warnings(parsed: ParsedDocument): FileProblem[] {
  const unused = withoutEffect.flatMap(({ path, when = isSet, instead }) => {
    const value = valueAt(parsed, path);
    if (value === undefined || !when(value)) return [];
    return [problemAt(parsed, path, formatPath(path), { message: 'has no effect yet', remedy: instead, key: true })];
  });
  const others = Object.keys((valueAt(parsed, ['credentials']) ?? {}) as object).filter(
    (name) => !(providers as readonly string[]).includes(name),
  );
  const strange = others.map((name) => {
    const path = ['credentials', name];
    return problemAt(parsed, path, formatPath(path), {
      message: 'has no effect yet',
      remedy: `only ${providers.map((used) => `\`${used}\``).join(' and ')} are used`,
      key: true,
    });
  });
  return [...unused, ...strange];
}

function isSet(value: unknown): boolean {
  return !Array.isArray(value) || value.length > 0;
}

function valueAt(parsed: ParsedDocument, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<string, unknown> | null | undefined)?.[key], parsed.value);
}

/** What each key allows by itself and not together. */
function refuseContradictions(source: Source, parsed: ParsedDocument, file: FleetFile): void {
  const problems = [...strangeSources(file), ...strangeAgent(file)];
  refuseProblems(
    source.file,
    problems.map(({ path, ...what }) => problemAt(parsed, path, formatPath(path), what)),
  );
}

function strangeSources({ credentials }: FleetFile) {
  const wrong = Object.entries(credentials).filter(
    ([provider, { from }]) => provider !== 'anthropic' && isClaudes(from),
  );
  return wrong.map(([provider, { from }]) => ({
    path: ['credentials', provider, 'from'],
    message: `is \`${from}\`, which only Anthropic has`,
    remedy: '`env`, `file` or `keychain`',
  }));
}

function strangeAgent({ agent, image }: FleetFile) {
  if (agent.cli === 'scripted' || image.agents.includes(agent.cli)) return [];
  const held = image.agents.length === 0 ? 'none' : image.agents.join(', ');
  const message = `is \`${agent.cli}\`, which is not in the image`;
  return [{ path: ['agent', 'cli'], message, remedy: `\`image.agents\` holds: ${held}` }];
}

function isClaudes(from: string): boolean {
  return from === 'setup-token' || from === 'claude-login';
}
