import { connect, createServer } from 'node:net';
import { FleetError } from '../lib/errors.ts';
import { loopback, type PortName, type Ports, usualPorts } from './services.ts';

const triedPorts = 100;

export type IsFree = (port: number) => Promise<boolean>;

/**
 * A port for each name: the remembered one, else the usual one, else the next that is free. `held` are ports a service of
 * this stack listens on now: they stay. Throws `refused` when a hundred in a row are taken.
 */
export async function choosePorts(
  remembered: Partial<Ports>,
  held: ReadonlySet<PortName>,
  isFree: IsFree,
): Promise<{ ports: Ports; moved: { name: PortName; from: number; to: number }[] }> {
  const names = Object.keys(usualPorts) as PortName[];
  const ports: Partial<Ports> = {};
  for (const name of names) if (held.has(name) && remembered[name] !== undefined) ports[name] = remembered[name];
  const moved: { name: PortName; from: number; to: number }[] = [];
  for (const name of names) {
    if (ports[name] !== undefined) continue;
    const first = remembered[name] ?? usualPorts[name];
    const to = await nextFree(first, new Set(Object.values(ports)), isFree);
    if (to === null) {
      throw new FleetError('refused', `Ports ${first} to ${first + triedPorts - 1} are all taken on ${loopback}.`, {
        remedy: 'End what holds them (ss -ltnp shows it), then run  ralph-fleet telemetry up  again.',
      });
    }
    if (to !== first) moved.push({ name, from: first, to });
    ports[name] = to;
  }
  return { ports: ports as Ports, moved };
}

async function nextFree(first: number, used: ReadonlySet<number>, isFree: IsFree): Promise<number | null> {
  for (let port = first; port < first + triedPorts && port <= 65_535; port++)
    if (!used.has(port) && (await isFree(port))) return port;
  return null;
}

/** True when nothing answers there and it can be listened on: macOS lets one listen beside who has all addresses. */
export async function isFreePort(port: number): Promise<boolean> {
  return !(await answers(port)) && (await canListen(port));
}

export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: loopback });
    const end = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.setTimeout(2000, () => end(false));
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, loopback, () => server.close(() => resolve(true)));
  });
}
