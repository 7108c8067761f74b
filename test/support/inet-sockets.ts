import { readFile } from 'node:fs/promises';
import { openFilesOf } from './leftovers.ts';

/** One internet socket of a process, of IPv4 or IPv6, as the kernel lists it. */
export interface InetSocket {
  protocol: string;
  /** `127.0.0.1:4141`, `[::1]:80` */
  local: string;
  /** TCP: waits for connections. UDP and raw: takes what comes, since it has no peer. */
  listens: boolean;
  inode: string;
}

const tables = ['tcp', 'tcp6', 'udp', 'udp6', 'udplite', 'udplite6', 'raw', 'raw6'];
const tcpListen = '0A';

/** Reads /proc/net/{tcp,udp,raw}{,6}; `read` answers with a table's text. */
export async function inetSockets(read: (table: string) => Promise<string>): Promise<InetSocket[]> {
  const found: InetSocket[] = [];
  for (const protocol of tables) {
    for (const line of (await read(protocol)).split('\n').slice(1)) {
      const fields = line.trim().split(/\s+/);
      const [, local, peer, state, , , , , , inode] = fields;
      if (local === undefined || peer === undefined || inode === undefined) continue;
      const listens = protocol.startsWith('tcp') ? state === tcpListen : /^0+:0+$/.test(peer);
      found.push({ protocol, local: readAddress(local), listens, inode });
    }
  }
  return found;
}

/** Every internet socket that one of these processes holds. */
export async function inetSocketsOf(pids: readonly number[]): Promise<InetSocket[]> {
  const all = await inetSockets((table) => readFile(`/proc/net/${table}`, 'utf8').catch(() => ''));
  const held = new Set((await Promise.all(pids.map(openFilesOf))).flat());
  return all.filter(({ inode }) => held.has(`socket:[${inode}]`));
}

export function isLoopback({ local }: InetSocket): boolean {
  return /^(127\.|\[::1\]|\[::ffff:127\.)/.test(local);
}

/** As the kernel prints it: 32-bit words in the byte order of the machine, little-endian here; port in hexadecimal. */
function readAddress(text: string): string {
  const [words = '', port = ''] = text.split(':');
  const bytes = (words.match(/.{8}/g) ?? []).flatMap((word) => [...Buffer.from(word, 'hex')].reverse());
  const at = Number.parseInt(port, 16);
  if (bytes.length === 4) return `${bytes.join('.')}:${at}`;
  const groups = Array.from({ length: 8 }, (_, n) => (bytes[2 * n] ?? 0) * 256 + (bytes[2 * n + 1] ?? 0));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff)
    return `[::ffff:${bytes.slice(12).join('.')}]:${at}`;
  const { hostname } = new URL(`http://[${groups.map((group) => group.toString(16)).join(':')}]/`);
  return `${hostname}:${at}`;
}
