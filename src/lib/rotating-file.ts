import { closeSync, fstatSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';
import { standardOutput } from './log.ts';

export interface RotatingOptions {
  /** A file that would grow beyond this is turned over first. */
  maxBytes: number;
  /** How many older files stay: `<path>.1` (the newest) to `<path>.<copies>`. */
  copies: number;
}

/** What logs may take on the disk: for each process this much, times one more than the copies. */
const logFiles: RotatingOptions = { maxBytes: 16 * 1024 ** 2, copies: 4 };

/**
 * Appends whole lines to a file, at once (a killed process loses none), and turns it over by renaming: who reads or writes the old file
 * by its descriptor goes on there. Two processes may write the same path: each looks whether the path still is its file before it
 * renames, and follows when another one was quicker. A full disk costs lines, never the process.
 */
export function openRotatingFile(path: string, { maxBytes, copies }: RotatingOptions): { write(line: string): void } {
  let fd: number | null = null;
  let isTorn = false;

  function reopen(): number {
    if (fd !== null) closeSync(fd);
    fd = null; // so it stays if the next line throws
    fd = openSync(path, 'a', 0o600);
    return fd;
  }

  function turnOver(): void {
    const now = statSync(path, { throwIfNoEntry: false });
    if (fd !== null && now?.ino === fstatSync(fd).ino) {
      rmSync(`${path}.${copies}`, { force: true });
      for (let n = copies - 1; n >= 1; n--) renameIfThere(`${path}.${n}`, `${path}.${n + 1}`);
      renameIfThere(path, `${path}.1`);
    }
    reopen();
  }

  return {
    write(line) {
      try {
        const bytes = Buffer.from(isTorn ? `\n${line}` : line);
        fd ??= reopen();
        // Asked each time: others write to it too.
        const { size } = fstatSync(fd);
        if (size > 0 && size + bytes.length > maxBytes) turnOver();
        const written = writeSync(fd ?? reopen(), bytes);
        isTorn = written < bytes.length;
      } catch {
        // A full or closed disk: the line is lost.
      }
    },
  };
}

/** Where a process of ours writes its log: into its file, turned over as it grows; where stdout is something else (a terminal, a journal), there. */
export function logDestination(path: string): { write(line: string): void } {
  return isFileAt(1, path) ? openRotatingFile(path, logFiles) : standardOutput;
}

/** True when `fd` is open on the file at that path. */
function isFileAt(fd: number, path: string): boolean {
  try {
    const open = fstatSync(fd);
    const there = statSync(path, { throwIfNoEntry: false });
    return open.isFile() && there !== undefined && there.ino === open.ino && there.dev === open.dev;
  } catch {
    return false;
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
