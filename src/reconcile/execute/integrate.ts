import type { Approval } from '../../domain/approval.ts';
import type { Note, Task } from '../../domain/task.ts';
import { isFleetError } from '../../lib/errors.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { nameDisk } from './task.ts';

const maxDiffChars = 20_000;

/**
 * Puts an approved commit on the user's branch. If the branch has moved, the change is moved onto it: an equal patch is verified
 * again and carries the approval; any other voids it.
 */
export const integrate: Executor<'integrate'> = async (deps, { task: id }) => {
  const { store, changes } = deps;
  const task = store.tasks.get(id);
  if (task === null || task.phase !== 'integrating' || task.head === null || task.base === null) return;
  const approval = activeApproval(deps, task);
  if (approval === null) {
    store.moveTask(id, 'awaiting_approval', { reason: 'there is no approval of this commit' });
    return;
  }
  const project = store.projects.mustGet(task.project);
  try {
    const { commit } = await changes.integrate(project, id, task.head, task.base, messageOf(task));
    store.tx(() => {
      if (store.tasks.get(id)?.phase !== 'integrating') return;
      store.approvals.update(approval.id, { state: 'used' });
      store.moveTask(id, 'merged', { reason: `on ${project.branch} as ${commit.slice(0, 10)}` });
    });
  } catch (error) {
    if (isFleetError(error, 'stale_commit')) await moveOntoTip(deps, task, approval);
    else if (isFleetError(error, 'change_conflict')) {
      // The user's checkout is in the way; only they can clear it, and then approve again.
      const reason = `${error.message} ${error.remedy ?? ''}`.trim();
      store.tx(() => {
        store.approvals.update(approval.id, { state: 'void' });
        store.moveTask(id, 'awaiting_approval', { reason });
      });
    } else throw error;
  }
};

async function moveOntoTip(deps: ExecuteDeps, task: Task, approval: Approval): Promise<void> {
  const { store, changes, clock } = deps;
  const { tip } = await changes.sync(store.projects.mustGet(task.project));
  const moved = await changes.rebase(task.project, task.id, tip);
  const disk = await nameDisk(deps, task.project, tip);
  if ('conflict' in moved) {
    const diff = await changes.diff(task.project, task.base ?? tip, task.head ?? tip);
    const note: Note = {
      from: 'integration',
      at: clock.now(),
      text: `The branch moved and the change conflicts with it in ${moved.conflict.join(', ')}. Make it again on the new base. The change as it was:\n${diff.slice(0, maxDiffChars)}`,
    };
    store.tx(() => {
      if (store.tasks.get(task.id)?.phase !== 'integrating') return;
      store.approvals.update(approval.id, { state: 'void' });
      store.moveTask(task.id, 'ready', {
        reason: 'the branch moved and the change conflicts',
        base: tip,
        head: null,
        disk,
        ralph: null,
        notes: [note],
      });
    });
    return;
  }
  store.tx(() => {
    if (store.tasks.get(task.id)?.phase !== 'integrating') return;
    if (moved.equalPatch) {
      store.approvals.update(approval.id, {
        commit: moved.head,
        base: tip,
        carriedFrom: approval.carriedFrom ?? `${approval.commit} on ${approval.base}`,
      });
    } else store.approvals.update(approval.id, { state: 'void' });
    store.moveTask(task.id, 'verifying', {
      reason: moved.equalPatch
        ? 'the branch moved; the same patch is verified again'
        : 'the branch moved and the patch changed with it',
      base: tip,
      head: moved.head,
      disk,
    });
  });
}

function activeApproval({ store }: ExecuteDeps, task: Task): Approval | null {
  const found = store.approvals.list("WHERE task = ? AND state = 'active' AND decision = 'approve'", task.id);
  return found.find((approval) => approval.commit === task.head) ?? null;
}

function messageOf(task: Task): string {
  return task.description === '' ? task.title : `${task.title}\n\n${task.description}`;
}
