import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Paths } from '../../lib/paths.ts';
import type { PassOn } from '../proxy.ts';
import { carry, reach } from './carry.ts';
import { type Leaving, type LeavingDeps, openLeaving } from './leaving.ts';
import { passOn } from './pass-on.ts';

/** Everything of a gateway's leave: its settlements, and its guests' way to the next one. */
export interface Departure extends Pick<Leaving, 'begin' | 'settle' | 'settled' | 'released' | 'close'> {
  /** A new connection out of a tunnel that this gateway still has. */
  carry(vm: string, stream: Duplex): void;
  passOn: PassOn;
}

export async function createDeparture(deps: Omit<LeavingDeps, 'folder'> & { paths: Paths }): Promise<Departure> {
  const { paths, clock } = deps;
  const it = await openLeaving({ ...deps, folder: paths.runtime });
  const reached =
    (vm: string) =>
    (signal: AbortSignal): Promise<Socket> =>
      reach(paths.gatewayCarrySocket, vm, clock, signal);
  return {
    ...it,
    carry: (vm, stream) => void carry(stream, reached(vm)),
    passOn: (vm, req, res, bytes) => passOn(reached(vm), req, res, bytes),
  };
}
