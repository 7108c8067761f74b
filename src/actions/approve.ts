import { evidenceDigest } from '../domain/evidence.ts';
import type { Task } from '../domain/task.ts';
import { FleetError } from '../lib/errors.ts';
import { type ActionDeps, type Done, done } from './deps.ts';
import { findTask, refuse } from './find-task.ts';

export interface Word {
  by: string;
  channel: 'terminal' | 'flag' | 'api';
}

/**
 * The human's yes, bound to the commit that was shown, its base and its evidence. A commit or evidence other than the present
 * one is refused with `stale_commit`; without a terminal only where fleet.yaml allows it.
 */
export function approve(deps: ActionDeps, id: string, word: Word & { commit: string; evidence: string | null }): Done {
  const { store, clock, config } = deps;
  return store.tx(() => {
    const task = findTask(deps, id);
    const { head, base } = task;
    const again = store.approvals.list(
      "WHERE task = ? AND \"commit\" = ? AND decision = 'approve' AND state <> 'void'",
      id,
      word.commit,
    );
    if (again.length > 0) return done(`\`${id}\` was approved already.`, id, false);
    if (task.phase !== 'awaiting_approval' || head === null || base === null)
      refuse(task, 'approve', `ralph-fleet why ${id}`);
    if (word.channel !== 'terminal' && !config().review.allowNonInteractive) {
      throw new FleetError(
        'refused',
        `Cannot approve \`${id}\` without a terminal: \`review.allowNonInteractive\` is off.`,
        {
          remedy: `Run ralph-fleet approve ${id} in a terminal, or allow it in fleet.yaml.`,
        },
      );
    }
    const evidence = digestOf(deps, task, head, base);
    if (head !== word.commit || (word.evidence !== null && word.evidence !== evidence)) {
      throw new FleetError(
        'stale_commit',
        `Cannot approve \`${word.commit.slice(0, 10)}\` of \`${id}\`: what waits now is \`${head.slice(0, 10)}\` with evidence ${evidence.slice(0, 8)}.`,
        {
          remedy: `Look again: ralph-fleet approve ${id}`,
        },
      );
    }
    store.addApproval({
      task: id,
      commit: head,
      base,
      evidence,
      decision: 'approve',
      notes: null,
      channel: word.channel,
      by: word.by,
      at: clock.now(),
      state: 'active',
      carriedFrom: null,
    });
    store.events.add('task.approved', id, `${word.by} approved ${head.slice(0, 10)} (${word.channel}).`);
    return done(`Approved ${head.slice(0, 10)}; it goes onto the branch now.`, id);
  });
}

/** The human's no: back to the implementer with the notes. */
export function reject(deps: ActionDeps, id: string, word: Word & { notes: string }): Done {
  const { store, clock } = deps;
  return store.tx(() => {
    const task = findTask(deps, id);
    const { head, base } = task;
    if (task.phase !== 'awaiting_approval' || head === null || base === null)
      refuse(task, 'reject', `ralph-fleet why ${id}`);
    const evidence = digestOf(deps, task, head, base);
    store.addApproval({
      task: id,
      commit: head,
      base,
      evidence,
      decision: 'reject',
      notes: word.notes,
      channel: word.channel,
      by: word.by,
      at: clock.now(),
      state: 'used',
      carriedFrom: null,
    });
    const notes = [...task.notes, { from: 'human' as const, text: word.notes, at: clock.now() }];
    store.moveTask(id, 'ready', { notes, reason: 'you asked for changes', ralph: null, ...freshStart });
    return done(`\`${id}\` starts again with your notes.`, id);
  });
}

/** A person's word opens a new stretch of iterations: what was used up or stuck before does not end it at once. */
export const freshStart = {
  iterations: 0,
  uncounted: 0,
  stagnant: 0,
  recentDigests: [],
  reviewRound: 0,
  seen: false,
} satisfies Partial<Task>;

function digestOf({ store }: ActionDeps, task: Task, commit: string, base: string): string {
  return evidenceDigest({
    commit,
    base,
    checkRuns: store.checkRuns.list('WHERE task = ?', task.id),
    reviews: store.reviews.list('WHERE task = ?', task.id),
  });
}
