import type { FleetConfig } from '../domain/fleet.ts';
import type { ImageBuilder } from './builder.ts';
import { createDebianBuilder, type DebianBuilderDeps } from './debian/builder.ts';
import { createNixBuilder, type NixBuilderDeps } from './nix/builder.ts';

export type ImageBuilderDeps = Omit<DebianBuilderDeps, 'mirror' | 'agents'> & Pick<NixBuilderDeps, 'env'>;

/**
 * The builder the fleet asks for; `auto` is Debian where it can be built, since that image is proved; else Nix. The only place
 * that names a builder.
 */
export async function chooseImageBuilder(image: FleetConfig['image'], deps: ImageBuilderDeps): Promise<ImageBuilder> {
  const debian = createDebianBuilder({ ...deps, mirror: image.debianMirror, agents: image.agents });
  const nix = createNixBuilder({ ...deps, agents: image.agents });
  if (image.builder === 'debian') return debian;
  if (image.builder === 'nix') return nix;
  if ((await debian.probe()).available) return debian;
  return (await nix.probe()).available ? nix : debian;
}
