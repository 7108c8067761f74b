import { createAgent } from '../agents/registry.ts';
import { readChoices, wantedSource } from '../credentials/choices.ts';
import { look, openSource, type SourceDeps } from '../credentials/sources.ts';
import { vmsAsked } from '../domain/fit.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import type { Driver } from '../drivers/driver.ts';
import type { ImageBuilder } from '../images/builder.ts';
import type { Clock } from '../lib/clock.ts';
import type { Exec } from '../lib/exec.ts';
import type { Paths } from '../lib/paths.ts';
import { resourcePath } from '../lib/resources.ts';
import { preflightChecks } from './checks.ts';
import type { Host } from './host.ts';
import { type CredentialAt, type PreflightResult, type RunningCredential, runPreflight } from './preflight.ts';
import { createUpkeep } from './upkeep.ts';

export interface PreflightParts {
  exec: Exec;
  clock: Clock;
  paths: Paths;
  /** `createHost()`. */
  host: Host;
  config: FleetConfig;
  /** Opens the driver and builder `config` asks for, from their registries; what they throw is reported as a finding. */
  driver: () => Promise<Driver>;
  builder: () => Promise<ImageBuilder>;
  /** Number of the store's migrations; null skips the look for a newer database. */
  stateVersion: number | null;
  /** How credentials stand, as a daemon that runs says; null when none does. */
  credentials: () => Promise<readonly RunningCredential[] | null>;
}

/** What `doctor` and `up` call: the checks for this host and what fleet.yaml asks for. Changes nothing, never throws. */
export function createPreflight(parts: PreflightParts): (wanted: { demo: boolean }) => Promise<PreflightResult> {
  const { config, driver, builder, exec, clock, paths, host, stateVersion } = parts;
  return ({ demo }) =>
    runPreflight(
      {
        exec,
        clock,
        paths,
        host,
        driver,
        builder,
        stateVersion,
        upkeep: createUpkeep({ paths, exec, clock }),
        wanted: { ...config, atOnce: vmsAtOnce(config) },
        credential: demo ? null : credentialAt(parts),
        setupCommand: resourcePath('scripts/setup'),
        nodeVersion: process.versions.node,
      },
      preflightChecks({ platform: host.platform, arch: process.arch }),
    );
}

function credentialAt({ config, exec, host, paths, credentials }: PreflightParts): CredentialAt | null {
  const { provider } = createAgent(config.agent.cli);
  if (provider === null) return null;
  const deps: SourceDeps = {
    ...{ exec, paths, env: host.env, platform: host.platform, uid: process.getuid?.() },
    variable: (name) => host.env[name],
    setVariable: (_, name) => `export ${name}=…   or   ralph-fleet credential set ${provider}`,
  };
  return {
    running: async () => (await credentials())?.find((it) => it.provider === provider) ?? null,
    source: async () => wantedSource(provider, config, await readChoices(paths)),
    look: (source) => look(openSource(provider, source, deps)),
  };
}

/** One VM per Ralph, one room for the verifier; `auto` starts fewer where they do not fit. */
function vmsAtOnce(config: FleetConfig): number {
  const asked = vmsAsked(config);
  return config.vms.count === 'auto' ? Math.min(asked, 2) : asked;
}
