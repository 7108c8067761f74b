import { createHash } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import type { Exec } from '../lib/exec.ts';

/** 16 hexadecimal digits over the parts, each with its length, so that no two lists of parts look alike. */
export function hashOf(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest('hex').slice(0, 16);
}

/** Every file below the folders: name, executable bit and content. Order and place on the disk do not matter. */
export async function hashFolders(folders: readonly string[]): Promise<string> {
  const parts: (string | Uint8Array)[] = [];
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    for (const file of files.toSorted()) {
      const mode = (await stat(file)).mode & 0o100 ? 'x' : '-';
      parts.push(file.slice(folder.length), mode, await readFile(file));
    }
    parts.push('');
  }
  return hashOf(parts);
}

export interface CacheDeps {
  /** Folder of the entries; made when missing. */
  root: string;
  exec: Exec;
  clock: Clock;
  pid: number;
  isAlive(pid: number): boolean;
}

/**
 * Makes the folder `<root>/<key>` once: `make` fills a folder aside, which is flushed and renamed into place, so that an entry
 * is whole or not there. A second builder of the same key waits for the first as long as that lives; if both ever build,
 * the first to finish wins and the other's work is dropped. What dead builders left behind is removed on the way.
 */
export async function cachedFolder(
  deps: CacheDeps,
  key: string,
  make: (aside: string) => Promise<void>,
  waiting: { onWait: () => void; signal: AbortSignal | undefined },
): Promise<string> {
  const entry = join(deps.root, key);
  await mkdir(deps.root, { recursive: true });
  const lock = join(deps.root, `${key}.lock`);
  while (!(await exists(entry))) {
    waiting.signal?.throwIfAborted();
    if (!(await takeLock(deps, lock))) {
      waiting.onWait();
      await deps.clock.sleep(500, waiting.signal);
      continue;
    }
    try {
      await removeLeftovers(deps);
      if (!(await exists(entry))) await makeEntry(deps, entry, key, make);
    } finally {
      await rm(lock, { force: true });
    }
  }
  return entry;
}

async function makeEntry(
  deps: CacheDeps,
  entry: string,
  key: string,
  make: (aside: string) => Promise<void>,
): Promise<void> {
  const aside = join(deps.root, `.${key}.${deps.pid}.aside`);
  await removeTree(deps.exec, aside);
  await mkdir(aside);
  try {
    await make(aside);
    for (const name of await readdir(aside)) await flush(join(aside, name));
    await flush(aside);
    await rename(aside, entry).catch(async (error: unknown) => {
      if (!(await exists(entry))) throw error;
    });
    await flush(deps.root);
  } finally {
    await removeTree(deps.exec, aside);
  }
}

/** True when the lock is ours now. One whose holder is dead is taken away first, so that the next try can have it. */
async function takeLock(deps: CacheDeps, lock: string): Promise<boolean> {
  try {
    await writeFile(lock, `${deps.pid}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  }
  const holder = Number((await readFile(lock, 'utf8').catch(() => '')).trim());
  // Just made and not yet written reads as 0: somebody is at it right now, unless it stays that way.
  const madeAt = (await stat(lock).catch(() => null))?.mtimeMs ?? 0;
  const isFresh = holder === 0 && deps.clock.now() - madeAt < 10_000;
  if (!isFresh && !(holder > 0 && deps.isAlive(holder))) await rm(lock, { force: true });
  return false;
}

async function removeLeftovers(deps: CacheDeps): Promise<void> {
  for (const name of await readdir(deps.root)) {
    const pid = Number(/^\..+\.(\d+)\.aside$/.exec(name)?.[1] ?? 0);
    if (pid > 0 && pid !== deps.pid && !deps.isAlive(pid)) await removeTree(deps.exec, join(deps.root, name));
  }
}

/** Never across a mount: a half-built root may still have the host's /proc or /dev in it. */
async function removeTree(exec: Exec, path: string): Promise<void> {
  await exec(['rm', '-rf', '--one-file-system', '--', path], { timeoutMs: 120_000 });
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
