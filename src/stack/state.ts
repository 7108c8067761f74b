import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { FleetError } from '../lib/errors.ts';
import { type PortName, usualPorts } from './services.ts';

/** Where the stack keeps what it needs to go on: all in the state folder, 0700. */
export interface StackFolders {
  root: string;
  /** Rendered configuration; what containers mount, so readable to their users. The folder above is closed. */
  config: string;
  /** 0600: only the user, and the Grafana it is mounted into. */
  password: string;
  state: string;
  endpoints: string;
  lock: string;
  /** Native mode: data, logs and pids of the processes. */
  data: string;
  logs: string;
  pids: string;
}

export function stackFolders(root: string): StackFolders {
  return {
    root,
    config: join(root, 'config'),
    password: join(root, 'grafana-password'),
    state: join(root, 'stack.json'),
    endpoints: join(root, 'endpoints.json'),
    lock: join(root, 'stack.lock'),
    data: join(root, 'data'),
    logs: join(root, 'logs'),
    pids: join(root, 'pids'),
  };
}

const port = z.int().min(1).max(65_535);
const portNames = Object.keys(usualPorts) as PortName[];
const stackState = z.strictObject({
  version: z.literal(1),
  /** null after `down`: the next `up` may choose. */
  mode: z.enum(['containers', 'native']).nullable(),
  ports: z.partialRecord(z.enum(portNames), port),
});
export type StackState = z.output<typeof stackState>;
export type Mode = NonNullable<StackState['mode']>;

const nothingYet: StackState = { version: 1, mode: null, ports: {} };

export async function readState(folders: StackFolders): Promise<StackState> {
  const text = await readFile(folders.state, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (text === null) return nothingYet;
  const parsed = stackState.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  throw new FleetError('invalid_file', `Cannot read \`${folders.state}\`: it is not what this version writes.`, {
    remedy: 'Move it away and run  ralph-fleet telemetry up  again: what runs is found by its marks.',
    cause: parsed.error,
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

export async function writeState(folders: StackFolders, state: StackState): Promise<void> {
  await writeFileAtomic(folders.state, `${JSON.stringify(state, null, 2)}\n`);
}

export async function makeRoot(folders: StackFolders): Promise<void> {
  await mkdir(folders.root, { recursive: true, mode: 0o700 });
}

/** Grafana's password: made once, kept until `down --purge`. Resolves with whether it was made now. */
export async function ensurePassword(folders: StackFolders): Promise<boolean> {
  try {
    // `wx`: of two that come at once one makes it, and it is never replaced: Grafana takes it at its first start only.
    await writeFile(folders.password, randomBytes(18).toString('base64url'), { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
