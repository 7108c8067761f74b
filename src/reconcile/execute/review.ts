import type { Executor } from './deps.ts';

/** A review of the task's commit: a new round, bound to commit and base. */
export const requestReview: Executor<'request_review'> = async ({ store, random, clock }, { task: id }) => {
  store.tx(() => {
    const task = store.tasks.get(id);
    if (task === null || task.head === null || task.base === null) return;
    if (task.phase !== 'verifying' && task.phase !== 'reviewing') return;
    const known = store.reviews.list('WHERE task = ? AND "commit" = ?', id, task.head);
    // A verdict on this commit stands; a review that came to nothing before is asked for anew.
    const stands = known.some((review) => review.phase === 'approved' || review.phase === 'changes_requested');
    if (task.phase === 'verifying' ? !stands : known.length === 0) {
      const round = task.reviewRound + 1;
      store.reviews.insert({
        id: `rv-${random.hex(4)}`,
        task: id,
        commit: task.head,
        base: task.base,
        round,
        phase: 'requested',
        findings: [],
        summary: null,
        attempts: 0,
        iteration: null,
        at: clock.now(),
      });
      store.tasks.update(id, { reviewRound: round });
    }
    store.moveTask(id, 'reviewing');
  });
};
