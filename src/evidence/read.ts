import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { FleetError } from '../lib/errors.ts';
import { type EvidenceBundle, evidenceBundle } from './schema.ts';
import { problemsOf } from './seal.ts';

const maxBytes = 256 * 1024 * 1024;

/** An evidence bundle that somebody handed over: read whole, believed in nothing that does not agree with the rest. */
export async function readBundle(path: string): Promise<EvidenceBundle> {
  const value = parse(path, await readText(path));
  const found = evidenceBundle.safeParse(value);
  if (!found.success) {
    const problems = found.error.issues.map((issue) => `${issue.path.join('.') || 'it'}: ${issue.message}`);
    throw refused(path, `is no evidence bundle of this version: ${problems.slice(0, 5).join('; ')}`);
  }
  const problems = problemsOf(found.data);
  if (problems.length > 0) throw refused(path, `was changed or damaged: ${problems.slice(0, 5).join('; ')}`);
  return found.data;
}

async function readText(path: string): Promise<string> {
  // Whatever waits for somebody (a fifo) must not be waited for.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') throw new FleetError('not_found', `There is no file \`${path}\`.`);
    throw new FleetError('invalid_file', `\`${path}\` cannot be read.`, { cause });
  });
  try {
    const found = await file.stat();
    if (!found.isFile()) throw refused(path, 'is no file');
    if (found.size > maxBytes) throw refused(path, `has ${found.size} bytes; at most ${maxBytes} are read`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refused(path, 'is no whole JSON document', cause);
  }
}

function refused(path: string, why: string, cause?: unknown): FleetError {
  return new FleetError('invalid_file', `\`${path}\` ${why}.`, {
    remedy: 'Have it handed over again: ralph-fleet evidence TASK --export FILE',
    cause,
  });
}
