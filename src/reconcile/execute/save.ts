import type { Iteration } from '../../domain/iteration.ts';
import { type GuestAddress, ralphUser, workspaceFolder } from '../../guest/guest.ts';
import { FleetError } from '../../lib/errors.ts';
import type { ExecuteDeps } from './deps.ts';

const maxBundleBytes = 512 * 1024 * 1024;

export interface Saved {
  /** The task's commit on the host; null when what the guest gave could not be taken. */
  head: string | null;
  tree: string | null;
  /** What the implementer is told of it: files left out, or why nothing could be taken. */
  note: string | null;
}

/**
 * The work of an iteration, brought to the host as the task's one commit. What a guest gives that cannot be taken (hostile
 * names, too large, a broken bundle, a full disk in the guest) is no failure of the host: it is said to the agent.
 */
export async function saveWork(deps: ExecuteDeps, iteration: Iteration, address: GuestAddress): Promise<Saved> {
  const task = deps.store.tasks.mustGet(iteration.task);
  if (task.base === null) return { head: null, tree: null, note: null };
  const targetFile = deps.incomingPath(iteration.id);
  try {
    const report = await deps.guests.save(address, {
      folder: workspaceFolder,
      user: ralphUser,
      base: task.base,
      targetFile,
      maxBytes: maxBundleBytes,
    });
    const saved = await deps.changes.importSaved(task.project, task.id, task.base, targetFile);
    const leftOut = [...new Set([...report.leftOut, ...saved.leftOut])];
    const note =
      leftOut.length === 0
        ? null
        : `These files were left out of the change (too large, or a repository of their own): ${leftOut.slice(0, 20).join(', ')}`;
    return { head: saved.head, tree: saved.tree, note };
  } catch (error) {
    if (error instanceof FleetError && takenAsGuestFault.includes(error.code)) {
      deps.log.warn({ err: error, iteration: iteration.id }, 'the work of an iteration could not be taken');
      return { head: null, tree: null, note: `Your work could not be taken to the host: ${error.message}` };
    }
    throw error;
  }
}

const takenAsGuestFault: readonly FleetError['code'][] = ['too_large', 'change_rejected'];
