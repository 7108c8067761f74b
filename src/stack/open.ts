import { resolve } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { createExec } from '../lib/exec.ts';
import { resourcePath } from '../lib/resources.ts';
import type { Runner } from './runner.ts';
import type { Mode, StackFolders } from './state.ts';

export interface OpenDeps {
  folders: StackFolders;
  env: Record<string, string | undefined>;
  clock: Clock;
  signal: AbortSignal;
  version: string;
  /** Another list of images; null: the one that comes with the program. */
  images: string | null;
}

/** Who runs the services. Modules of the other way are not loaded. Throws `driver_unavailable` where no engine answers. */
export async function openRunner(mode: Mode, deps: OpenDeps): Promise<Runner> {
  const exec = createExec();
  if (mode === 'native') {
    const { createNative } = await import('./native/runner.ts');
    return createNative({ ...deps, exec });
  }
  const { readImages } = await import('./containers/images.ts');
  const images = await readImages(deps.images === null ? resourcePath('telemetry/images.json') : resolve(deps.images));
  const { connectEngine } = await import('./containers/engine.ts');
  const { createContainers } = await import('./containers/runner.ts');
  const engine = await connectEngine({ env: deps.env, exec, platform: process.platform });
  return createContainers({ ...deps, engine, images, uid: process.getuid?.() ?? 0 });
}
