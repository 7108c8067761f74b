import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

/** What stands in a file that only its owner may read; or why it is not taken, and what mends it. */
export type PrivateFile = { ok: true; bytes: Buffer } | { ok: false; why: string; remedy: string };

const maxBytes = 64 * 1024;

/**
 * A secret's file must be this user's own and nobody else's to read. It is opened first and looked at then, so that what is read
 * is what was looked at; a pipe or device is not waited for.
 */
export async function readPrivateFile(path: string, uid: number | undefined): Promise<PrivateFile> {
  const remedy = `ls -l ${quoted(path)}`;
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) =>
    String(codeOf(error)),
  );
  if (typeof file === 'string') return { ok: false, ...whyClosed(path, file) };
  try {
    const { mode, uid: owner, size } = await file.stat();
    const is = fileKinds.find(([kind]) => (mode & constants.S_IFMT) === kind)?.[1];
    if (is !== undefined) return { ok: false, why: `\`${path}\` is ${is}, not a file`, remedy };
    if (uid !== undefined && owner !== uid)
      return { ok: false, why: `\`${path}\` belongs to another user (${owner})`, remedy };
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, '0');
      return { ok: false, why: `others may read or write \`${path}\` (${shown})`, remedy: `chmod 600 ${quoted(path)}` };
    }
    if (size > maxBytes) return { ok: false, why: `\`${path}\` is larger than ${maxBytes / 1024} KiB`, remedy };
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
    return { ok: true, bytes: buffer.subarray(0, bytesRead) };
  } catch (error) {
    return { ok: false, why: `\`${path}\` cannot be read (${codeOf(error)})`, remedy };
  } finally {
    await file.close().catch(() => {});
  }
}

const fileKinds = [
  [constants.S_IFDIR, 'a folder'],
  [constants.S_IFIFO, 'a pipe'],
  [constants.S_IFCHR, 'a device'],
  [constants.S_IFBLK, 'a device'],
] as const;

function whyClosed(path: string, code: string): { why: string; remedy: string } {
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return {
      why: `there is no \`${path}\``,
      remedy: 'write it, or choose another source: ralph-fleet credential --help',
    };
  const why =
    code === 'EACCES' || code === 'EPERM' ? `you may not read \`${path}\`` : `\`${path}\` cannot be opened (${code})`;
  return { why, remedy: `ls -l ${quoted(path)}` };
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown';
}
