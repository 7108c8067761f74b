import { readFile, stat } from 'node:fs/promises';
import type { Log } from '../lib/log.ts';

/**
 * The user's credential for the upstream. It lives in this process's memory and in the headers of requests to the upstream,
 * nowhere else: not in argv, logs, errors, settlements or a guest.
 */
export interface Credential {
  /** Null when there is none; why is in the log. A file is read anew when it changes. */
  read(): Promise<string | null>;
  /** The text without the credential, wherever it stands in it. */
  hide(text: string): string;
}

export type CredentialSource = { from: 'env'; value: string | undefined } | { from: 'file'; path: string };

const maxFileBytes = 16 * 1024;

export function createCredential(source: CredentialSource, log: () => Log): Credential {
  const known = new Set<string>();
  let file: { key: string | null; mtimeMs: number } | null = null;

  function accept(text: string): string | null {
    const key = text.trim();
    if (!/^[\x21-\x7e]{8,4096}$/.test(key)) return null; // also what could not stand in a header
    known.add(key);
    return key;
  }

  async function readFromFile(path: string): Promise<string | null> {
    try {
      const { mtimeMs, size } = await stat(path);
      if (file?.mtimeMs === mtimeMs) return file.key;
      file = { key: size > maxFileBytes ? null : accept(await readFile(path, 'utf8')), mtimeMs };
      if (file.key === null) log().error({ path }, 'credential file holds no usable credential');
      return file.key;
    } catch (error) {
      log().error({ path, code: (error as NodeJS.ErrnoException).code }, 'credential file cannot be read');
      return null;
    }
  }

  const fromEnv = source.from === 'env' ? accept(source.value ?? '') : null;
  return {
    read: async () => (source.from === 'env' ? fromEnv : await readFromFile(source.path)),
    hide: (text) => [...known].reduce((hidden, key) => hidden.replaceAll(key, '[redacted]'), text),
  };
}
