import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { sha256 } from '../../lib/digest.ts';
import { type LogSource, turnsOver } from './source.ts';

/** A file that lines of a source stand in: the one that grows, or one that was turned over. */
export interface Generation {
  path: string;
  ino: number;
  size: number;
  /** Milliseconds since the epoch of the last write. */
  changedMs: number;
  /** It still grows. */
  isCurrent: boolean;
}

/** All files of a source, the oldest first; none while there is none. */
export async function listGenerations(source: LogSource): Promise<Generation[]> {
  const current = await look(source.path, true);
  if (!turnsOver(source.kind)) return current === null ? [] : [current];
  const name = basename(source.path);
  const names = await readdir(dirname(source.path)).catch(() => []);
  const older = names
    .filter((it) => it.startsWith(`${name}.`) && /^\d+$/.test(it.slice(name.length + 1)))
    .toSorted((a, b) => Number(b.slice(name.length + 1)) - Number(a.slice(name.length + 1)));
  const found = await Promise.all(older.map((it) => look(join(dirname(source.path), it), false)));
  // Turned over while it was looked at: the same file may stand there twice.
  const all = [...found, current].filter((it) => it !== null);
  return all.filter((it, at) => all.findLastIndex(({ ino }) => ino === it.ino) === at);
}

export async function look(path: string, isCurrent: boolean): Promise<Generation | null> {
  try {
    const found = await stat(path);
    return found.isFile() ? { path, ino: found.ino, size: found.size, changedMs: found.mtimeMs, isCurrent } : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}

const headBytes = 256;

/** What a file begins with, of what was sent of it: the number of a removed file is given to a new one. */
export async function headOf(file: FileHandle, offset: number): Promise<string> {
  const length = Math.min(offset, headBytes);
  if (length === 0) return '';
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0);
  return sha256(buffer.subarray(0, bytesRead)).slice(0, 16);
}

/** Opens a file if it still is the one with that number and beginning; null when it is another one, or gone. */
export async function openSame(path: string, ino: number, offset: number, head: string): Promise<FileHandle | null> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const found = await file.stat();
    const isSame = found.ino === ino && found.size >= offset && (await headOf(file, offset)) === head;
    if (isSame) return file;
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
  return null;
}
