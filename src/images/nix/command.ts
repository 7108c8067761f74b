import { baseEnvironment, networkEnvironment } from '../../lib/exec.ts';

/** Where installers put Nix, for a daemon that was not started from a login shell. */
const usualPlaces = ['/nix/var/nix/profiles/default/bin', '/run/current-system/sw/bin'];

export type NixSystem = 'x86_64-linux' | 'aarch64-linux';

/** The guest's system is the host's processor, with Linux: also on macOS, where a Linux builder does the work. */
export function nixSystem(arch: string): NixSystem | null {
  if (arch === 'x64') return 'x86_64-linux';
  return arch === 'arm64' ? 'aarch64-linux' : null;
}

/** Flakes need not be switched on in nix.conf: the command does it for itself. */
export function nixCommand(...args: string[]): string[] {
  return ['nix', '--extra-experimental-features', 'nix-command flakes', ...args];
}

/** Builds the image of the flake in the folder; `outLink` will point to the result. */
export function buildCommand(flake: string, system: NixSystem, outLink: string): string[] {
  const place = flake.split('/').map(encodeURIComponent).join('/');
  return nixCommand('build', `path:${place}#packages.${system}.qcow2`, '--out-link', outLink, '--log-format', 'raw');
}

/** Nix finds its daemon, its configuration and its certificates by variables of its own. */
export function nixEnvironment(from: Record<string, string | undefined> = process.env): Record<string, string> {
  const own = Object.entries(from).filter(([name, value]) => name.startsWith('NIX_') && value !== undefined);
  const env = { ...baseEnvironment(from), ...networkEnvironment(from), ...Object.fromEntries(own) };
  const profile = env['HOME'] === undefined ? [] : [`${env['HOME']}/.nix-profile/bin`];
  return { ...env, PATH: [env['PATH'] ?? '', ...profile, ...usualPlaces].join(':'), LC_ALL: 'C.UTF-8' };
}

/** `nix (Nix) 2.26.3`, `nix (Lix, like Nix) 2.93.0`, `nix (Determinate Nix 3.8.5) 2.30.2`: what stands last counts. */
export function nixVersion(said: string): { major: number; minor: number; shown: string } | null {
  const found = /(\d+)\.(\d+)[\w.]*\s*$/.exec(said.trim());
  if (!found) return null;
  return { major: Number(found[1]), minor: Number(found[2]), shown: found[0].trim() };
}
