import type { Mirror } from '../contract/gateway.ts';
import type { RegistryKind } from '../domain/registry.ts';
import { findMirror, hostFiles } from '../images/debian/mirror.ts';
import { findNpmRegistry } from '../images/npm-registry.ts';
import type { Exec } from '../lib/exec.ts';

/** Where this host itself gets packages from, by its own configuration; asked anew each time. */
export type FindRegistry = (kind: RegistryKind) => Promise<Mirror['registries'][number]>;

export function createFindRegistry(deps: {
  exec: Exec;
  env: Record<string, string | undefined>;
  /** `image.debianMirror`; null takes the one this machine installs from. */
  debianMirror: () => string | null;
}): FindRegistry {
  return async (kind) => {
    if (kind === 'debian') return { kind, url: await findMirror(deps.debianMirror(), hostFiles), caFile: null };
    return { kind, ...(await findNpmRegistry(deps.exec, deps.env)) };
  };
}
