import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Recorded } from '../domain/replay.ts';
import type { Task } from '../domain/task.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { FleetError } from '../lib/errors.ts';
import { type AssembleDeps, assembleBundle } from './assemble.ts';
import { readBundle } from './read.ts';
import type { EvidenceBundle } from './schema.ts';

export interface Exported {
  path: string;
  bytes: number;
  digest: string;
}

/** Writes a task's bundle to `path`, or under a name of its own into that folder. What stands there already is left alone. */
export async function exportBundle(deps: AssembleDeps, task: Task, path: string): Promise<Exported> {
  const bundle = await assembleBundle(deps, task);
  const isFolder = await stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, `${task.id}-${bundle.parts.task.commit.slice(0, 10)}.evidence.json`) : path;
  if (await isThere(file)) {
    throw new FleetError('refused', `\`${file}\` is there already.`, {
      remedy: 'Name another file, or remove it first.',
    });
  }
  const text = `${JSON.stringify(bundle, null, 1)}\n`;
  try {
    await writeFileAtomic(file, text, 0o644);
  } catch (cause) {
    throw new FleetError('storage', `The evidence bundle cannot be written to \`${file}\`.`, {
      remedy: 'Name a file in a folder that is there and that you may write to.',
      cause,
    });
  }
  return { path: file, bytes: Buffer.byteLength(text), digest: bundle.digest };
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

/** What a replay needs of a bundle. The change is put into a file of ours, `<id>.bundle`, which the replay takes away again. */
export async function takeBundle(
  { folder, isOpen }: { folder: string; isOpen: (replay: string) => boolean },
  path: string,
  { id, repository }: { id: string; repository: string },
) {
  const bundle = await readBundle(path);
  await sweep(folder, isOpen);
  const { task, change } = bundle.parts;
  const file = change === null ? null : join(folder, `${id}.bundle`);
  if (change !== null && file !== null) await writeFileAtomic(file, Buffer.from(change.base64, 'base64'));
  return {
    title: `${task.id} ${task.title}`,
    source: { repository, change: file },
    commit: task.commit,
    base: task.base,
    checks: task.checks,
    recorded: recordedIn(bundle),
  };
}

function recordedIn({ parts: { verified, runs } }: EvidenceBundle): Recorded {
  // All that was verified on one commit stands on one disk.
  const run = runs.findLast((one) => verified.some((each) => each.run === one.run));
  if (run === undefined) {
    throw new FleetError('invalid_file', 'The bundle has no record of the verification: it cannot be replayed.', {
      remedy: 'It was made by an earlier version. Where its task is: ralph-fleet evidence TASK --replay',
    });
  }
  const { key: disk, image, recipe } = run.disk;
  return {
    runs: verified.map(({ variant, tested, results }) => ({ variant, tested, results })),
    protected: run.protected,
    services: run.services,
    ...{ disk, image, recipe },
  };
}

/** Changes of replays that are over, or never began. */
async function sweep(folder: string, isOpen: (replay: string) => boolean): Promise<void> {
  for (const name of await readdir(folder)) {
    const replay = /^(rp-[0-9a-f]{8})\.bundle$/.exec(name)?.[1];
    if (replay !== undefined && !isOpen(replay)) await rm(join(folder, name), { force: true });
  }
}
