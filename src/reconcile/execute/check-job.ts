import type { Check, CheckResult } from '../../domain/check.ts';
import type { CheckOutput, GuestAbout } from '../../domain/run-record.ts';
import { type GuestAddress, type JobSpec, maxOutputBytes, ralphUser, workspaceFolder } from '../../guest/guest.ts';
import { isFleetError } from '../../lib/errors.ts';
import { parseCheckOutputs } from '../../loop/check-outputs.ts';
import { parseCheckResults } from '../../loop/check-results.ts';
import type { ExecuteDeps } from './deps.ts';

/** Where the variant with the protected files put back stands, beside the workspace. */
export const restoredFolder = 'restored';

/** Of some hundred checks, each with the ends of both its streams. */
const maxResultBytes = 4 * 1024 * 1024;

/** One run of checks as a job of the guest: the same for what is judged and for what is replayed. */
export function checksJob(id: string, isRestored: boolean, checks: readonly Check[]): JobSpec {
  const seconds = checks.reduce((sum, check) => sum + check.timeoutSeconds, 0);
  return {
    id,
    kind: 'checks',
    user: ralphUser,
    title: 'checks',
    cwd: `/home/${ralphUser}/${isRestored ? restoredFolder : workspaceFolder}`,
    argv: [],
    checks: checks.map(({ id: check, run, timeoutSeconds }) => ({ id: check, run, timeoutSeconds })),
    env: { CI: 'true' },
    files: [],
    paneFilter: null,
    timeoutSeconds: seconds + 60,
    maxStreamBytes: 64 * 1024 * 1024,
  };
}

/** Puts a commit into a folder of the guest, if it is not there. */
export async function seedFolder(
  deps: ExecuteDeps,
  at: { id: string; address: GuestAddress },
  seed: { project: string; commit: string; folder: string },
): Promise<void> {
  if (deps.store.vms.mustGet(at.id).seeded[seed.folder] === seed.commit) return;
  const bundleFile = await deps.changes.bundle(seed.project, seed.commit);
  const { commit, folder } = seed;
  await deps.guests.seedWorkspace(at.address, { bundleFile, commit, folder, user: ralphUser });
  deps.store.vms.update(at.id, { seeded: { ...deps.store.vms.mustGet(at.id).seeded, [folder]: commit } });
}

export async function readResults(
  { guests }: ExecuteDeps,
  address: GuestAddress,
  job: string,
  checks: readonly Check[],
): Promise<CheckResult[]> {
  return parseCheckResults(await guests.readJobFile(address, job, 'checks.jsonl', maxResultBytes), checks);
}

/** Lines between the outputs included. */
const outputsFileBytes = maxOutputBytes + 256 * 1024;

/** What the checks printed, as far as the guest can be made to tell. */
export async function readOutputs(
  { guests }: ExecuteDeps,
  address: GuestAddress,
  job: string,
): Promise<{ about: GuestAbout | null; outputs: CheckOutput[] }> {
  try {
    return parseCheckOutputs(await guests.readJobFile(address, job, 'outputs', outputsFileBytes));
  } catch (error) {
    if (isFleetError(error, 'too_large')) return { about: null, outputs: [] };
    throw error;
  }
}

/** The patterns of the base itself: the project's row has those of whatever was claimed last. */
export async function protectedAt(
  { store, readSettings }: ExecuteDeps,
  project: string,
  base: string,
): Promise<string[]> {
  return (await readSettings(store.projects.mustGet(project), base)).protected;
}
