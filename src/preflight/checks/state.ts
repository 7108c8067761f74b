import { join } from 'node:path';
import type { PreflightCheck } from '../preflight.ts';

export const stateFolderCheck: PreflightCheck = {
  id: 'state',
  title: 'state folder',
  why: 'everything the fleet knows is kept there',
  async run({ host, paths, stateVersion }) {
    for (const path of [paths.state, paths.vms, paths.cache, paths.images, paths.runtime]) {
      const { folder, writable } = await host.writable(path);
      if (!writable) {
        const remedy = `make \`${folder}\` writable for you, or set XDG_STATE_HOME, XDG_CACHE_HOME, XDG_RUNTIME_DIR`;
        return { state: 'fail', found: `\`${folder}\` cannot be written`, remedy };
      }
    }
    const version = layoutVersion(await host.head(paths.fleetDb, 64));
    if (version === 'damaged') {
      return {
        state: 'fail',
        found: `\`${paths.fleetDb}\` is not a database`,
        remedy: `put a backup back, or move ${paths.fleetDb} away to begin anew`,
      };
    }
    if (version !== null && stateVersion !== null && version > stateVersion) {
      const found = `\`${paths.fleetDb}\` has layout ${version}; this version knows ${stateVersion}`;
      return {
        state: 'fail',
        found,
        remedy: `use the newer ralph-fleet again, or put the copy of its upgrade back: ${paths.fleetDb}.v${stateVersion}.bak`,
      };
    }
    return { state: 'ok', found: `${paths.state}${version === null ? ', new' : ''}` };
  },
};

/**
 * `PRAGMA user_version` stands in the file's header, big-endian at byte 60 (sqlite.org/fileformat.html), so that no
 * database has to be opened, which would write. Null: no database yet.
 */
export function layoutVersion(head: Uint8Array | null): number | null | 'damaged' {
  if (head === null || head.length === 0) return null;
  if (head.length < 64 || new TextDecoder('latin1').decode(head.subarray(0, 16)) !== 'SQLite format 3\0')
    return 'damaged';
  return new DataView(head.buffer, head.byteOffset, head.byteLength).getUint32(60);
}

/** Unix socket addresses hold 104 bytes on macOS, 108 on Linux, the closing zero included. */
const maxSocketPath = 103;

export const socketPathCheck: PreflightCheck = {
  id: 'socket-path',
  title: 'socket path',
  why: 'the address of a unix socket has a shortest limit of 104 bytes',
  async run({ paths }) {
    const longest = Buffer.byteLength(join(paths.runtime, 'vm-00000000-gateway.sock'));
    if (longest <= maxSocketPath) return { state: 'ok', found: paths.runtime };
    const found = `\`${paths.runtime}\` is too long by ${longest - maxSocketPath} bytes`;
    return { state: 'fail', found, remedy: 'set XDG_RUNTIME_DIR or XDG_STATE_HOME to a shorter path' };
  },
};

/** Before this the clock is surely wrong: certificates, leases and usage windows would not hold. */
const earliest = Date.UTC(2026, 0, 1);
const latest = Date.UTC(2100, 0, 1);

export const clockCheck: PreflightCheck = {
  id: 'clock',
  title: 'clock',
  why: 'VMs take their time from the host',
  async run({ clock }) {
    const now = clock.now();
    const shown = new Date(now).toISOString().slice(0, 16).replace('T', ' ');
    if (now >= earliest && now < latest) return { state: 'ok', found: `${shown} UTC` };
    return { state: 'fail', found: `it says ${shown} UTC`, remedy: 'set the clock: timedatectl set-ntp true' };
  },
};
