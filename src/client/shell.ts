import type { Duplex } from 'node:stream';
import { fillPath, shellPath, shellUpgrade } from '../contract/route-paths.ts';
import { upgrade } from './terminal.ts';

/** A shell in a VM, as frames both ways (`contract/shell.ts`). */
export function openShell(socketPath: string, vm: string): Promise<Duplex> {
  return upgrade({ socketPath, path: fillPath(shellPath, { id: vm }), to: shellUpgrade });
}
