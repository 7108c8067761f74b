import { FleetError, isFleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';
import type { ImageBuilder } from '../builder.ts';

/**
 * Room for the image from `flake.nix`. It cannot build yet and says so; it never pretends. `auto` therefore takes another
 * builder.
 */
export function createNixBuilder(deps: { exec: Exec }): ImageBuilder {
  const cannot = () =>
    new FleetError('refused', 'The image builder `nix` cannot build an image yet.', {
      remedy: 'Set `image.builder: debian` (or `auto`) in fleet.yaml.',
    });
  return {
    name: 'nix',
    async probe() {
      const problems = [
        { what: 'building the image from flake.nix is not done yet', remedy: 'use `image.builder: debian`' },
      ];
      try {
        await deps.exec(['nix', '--version'], { timeoutMs: 10_000 });
      } catch (error) {
        const what = isFleetError(error, 'command_missing') ? 'nix is not installed' : 'nix does not run';
        problems.unshift({ what, remedy: 'install Nix 2.18 or newer' });
      }
      return { available: false, problems };
    },
    key: () => Promise.reject(cannot()),
    build: () => Promise.reject(cannot()),
  };
}
