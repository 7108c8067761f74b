import { homedir } from 'node:os';
import { z } from 'zod';
import type { Mirror } from '../contract/gateway.ts';
import type { RegistryKind } from '../domain/registry.ts';
import { findMirror, hostFiles } from '../images/debian/mirror.ts';
import { FleetError } from '../lib/errors.ts';
import { baseEnvironment, type Exec, networkEnvironment } from '../lib/exec.ts';

/** Where this host itself gets packages from, by its own configuration; asked anew each time. */
export type FindRegistry = (kind: RegistryKind) => Promise<Mirror['registries'][number]>;

const npmConfig = z.object({ registry: z.url({ protocol: /^https?$/ }), cafile: z.string().nullish() });

export function createFindRegistry(deps: {
  exec: Exec;
  env: Record<string, string | undefined>;
  /** `image.debianMirror`; null takes the one this machine installs from. */
  debianMirror: () => string | null;
}): FindRegistry {
  return async (kind) => {
    if (kind === 'debian') return { kind, url: await findMirror(deps.debianMirror(), hostFiles), caFile: null };
    try {
      const { stdout } = await deps.exec(['npm', 'config', 'list', '--json'], {
        env: { ...baseEnvironment(deps.env), ...networkEnvironment(deps.env) },
        cwd: homedir(), // a project's own configuration has no say here
        timeoutMs: 60_000,
      });
      const { registry, cafile } = npmConfig.parse(JSON.parse(stdout));
      return { kind, url: registry, caFile: cafile || null };
    } catch (cause) {
      throw new FleetError('command_failed', 'This host could not say which npm registry it uses.', {
        remedy: 'See whether `npm config list` works here; a setup that names `registries: [npm]` needs it.',
        cause,
      });
    }
  };
}
