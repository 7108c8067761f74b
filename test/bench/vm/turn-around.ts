import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ralphUser, workspaceFolder } from '../../../src/guest/guest.ts';
import { checksJob } from '../../../src/reconcile/execute/check-job.ts';
import { against, type Result, spread } from '../result.ts';
import { type Bed, boot, exec, fork, remove, type Taken } from './bed.ts';

/** What a verifier's VM is there for, from asking for it until nothing is left of it: checkout, one check, destroyed. */
export async function turnAround(
  bed: Bed,
  counts: { boots: number; forks: number },
  say: (line: string) => void,
): Promise<Result[]> {
  const seed = await makeCommit(bed);
  const booted = await times(counts.boots, () => once(bed, boot, seed));
  const forked = await times(counts.forks, () => once(bed, fork, seed));
  say(`vm: verifier with boot ${seconds(booted)} s, with fork ${seconds(forked)} s`);
  const baseline = spread('verifier with boot: checkout, check, destroyed', 'ms', booted);
  return [baseline, against(spread('verifier with fork: checkout, check, destroyed', 'ms', forked), baseline)];
}

interface Seed {
  bundleFile: string;
  commit: string;
}

async function once(bed: Bed, make: (bed: Bed) => Promise<Taken>, { bundleFile, commit }: Seed): Promise<number> {
  const began = performance.now();
  const { address } = await make(bed);
  const { guests } = bed;
  await guests.seedWorkspace(address, { bundleFile, commit, folder: workspaceFolder, user: ralphUser });
  const check = { id: 'there', description: 'the file is there', run: 'grep -q hello hello.txt', timeoutSeconds: 60 };
  await guests.startJob(address, checksJob('vr-1', false, [check]));
  for (;;) {
    const [job] = await guests.jobs(address);
    if (job?.state === 'ended' && job.end?.exitCode === 0) break;
    if (job !== undefined && job.state !== 'running') throw new Error(`the check did not pass: ${JSON.stringify(job)}`);
  }
  await remove(bed, address.id);
  return performance.now() - began;
}

async function makeCommit({ root }: Bed): Promise<Seed> {
  const [folder, bundleFile] = [join(root, 'project'), join(root, 'seed.bundle')];
  await mkdir(folder);
  await writeFile(join(folder, 'hello.txt'), 'hello\n');
  const git = async (...args: string[]) =>
    (
      await exec(['git', '-c', 'user.name=Bench', '-c', 'user.email=bench@example.org', ...args], { cwd: folder })
    ).stdout.trim();
  await git('init', '-q', '-b', 'main');
  await git('add', '.');
  await git('commit', '-qm', 'hello');
  await git('bundle', 'create', '-q', bundleFile, 'main');
  return { bundleFile, commit: await git('rev-parse', 'HEAD') };
}

async function times(count: number, run: () => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let n = 0; n < count; n++) all.push(await run());
  return all;
}

function seconds(all: readonly number[]): string {
  return all.map((ms) => (ms / 1000).toFixed(1)).join(' ');
}
