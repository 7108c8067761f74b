import { readFile, rm, writeFile } from 'node:fs/promises';
import { DatabaseSync } from 'node:sqlite';
import { FleetError } from './errors.ts';

/**
 * A lock for one process per state folder. It is the kernel's own file lock (through SQLite, as node offers none itself), so
 * it ends with the process however that ends: no stale lock after kill -9 and no guess from a pid that another process may
 * have by now. The file beside it (`<path>.pid`) only tells people who holds it.
 */
export interface Lock {
  release(): Promise<void>;
}

const sqliteBusy = 5;

/** Throws `already_running` when another process (or this one) holds it. The folder must exist. */
export async function acquireLock(path: string, what: string): Promise<Lock> {
  const file = lockFile(path, what);
  if (file === null) {
    const pid = (await readFile(`${path}.pid`, 'utf8').catch(() => '')).trim();
    const holder = /^\d+$/.test(pid) ? `process ${pid}` : 'another process';
    throw new FleetError('already_running', `Cannot start the ${what}: ${holder} holds \`${path}\`.`, {
      details: { path, pid: pid === '' ? null : pid },
      ...(/^\d+$/.test(pid) ? { remedy: `If it does not answer, end it first: kill ${pid}` } : {}),
    });
  }
  try {
    await writeFile(`${path}.pid`, `${process.pid}\n`, { mode: 0o600 });
  } catch (cause) {
    file.close();
    throw new FleetError('storage', `Cannot write \`${path}.pid\`.`, { cause });
  }
  // Collected as garbage it would be closed, and the lock lost: it is in use as long as the process is.
  const keep = () => file.isOpen;
  process.on('exit', keep);
  return {
    release: async () => {
      process.off('exit', keep);
      await rm(`${path}.pid`, { force: true }); // the lock's own file stays: removing it would let two holders in
      if (file.isOpen) file.close();
    },
  };
}

function lockFile(path: string, what: string): DatabaseSync | null {
  let file: DatabaseSync | undefined;
  try {
    file = new DatabaseSync(path, { timeout: 0 });
    file.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'); // nothing is ever written, so no journal file is wanted
    return file;
  } catch (cause) {
    file?.close();
    if ((cause as { errcode?: number }).errcode === sqliteBusy) return null;
    throw new FleetError('storage', `Cannot lock \`${path}\` for the ${what}.`, { cause });
  }
}
