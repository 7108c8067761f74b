import { describe, expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aDisk, aProject, aReview, aRun, aTask, aVm, base, config, head } from '../../test/support/rows.ts';
import type { Changes } from '../changes/changes.ts';
import { budgetAt } from '../domain/budget.ts';
import { evidenceDigest } from '../domain/evidence.ts';
import type { Question } from '../domain/question.ts';
import type { Task } from '../domain/task.ts';
import type { TaskDraft } from '../domain/task-draft.ts';
import { isFleetError } from '../lib/errors.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import { approve, reject } from './approve.ts';
import type { ActionDeps } from './deps.ts';
import { refuseLosingVms } from './fleet.ts';
import { submit } from './submit.ts';
import { answer, cancel, markSeen, pause, resume, retry } from './task.ts';

function setup(task: Partial<Task> = {}) {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask({ id: store.nextTaskId(), phase: 'awaiting_approval', head, base, disk: 'image', ...task }));
  store.disks.insert(aDisk());
  store.checkRuns.insert(aRun({ kind: 'verify' }));
  store.reviews.insert(aReview({ phase: 'approved' }));
  const deps: ActionDeps = { store, clock, changes: {} as Changes, config: () => config };
  const digest = () =>
    evidenceDigest({ commit: head, base, checkRuns: store.checkRuns.list(), reviews: store.reviews.list() });
  return { store, deps, clock, digest, phase: () => store.tasks.mustGet('T1').phase };
}

const word = { by: 'ada', channel: 'terminal' } as const;

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'nothing';
  } catch (error) {
    return isFleetError(error) ? error.code : String(error);
  }
}

describe('approve', () => {
  it('is bound to commit, base and evidence, and says so once', () => {
    const { store, deps, digest } = setup();
    const yes = { ...word, commit: head, evidence: digest() };
    expect(approve(deps, 'T1', yes)).toMatchObject({ changed: true });
    expect(approve(deps, 'T1', yes)).toMatchObject({ changed: false });
    expect(store.approvals.list()).toMatchObject([
      { commit: head, base, evidence: digest(), state: 'active', by: 'ada' },
    ]);
    expect(store.events.of('T1', 9).map((event) => event.kind)).toEqual(['task.approved']);
  });

  it('refuses a stale commit, other evidence, another phase, an unknown task, and what has no terminal', () => {
    const { store, deps, digest } = setup();
    const yes = { ...word, commit: head, evidence: null };
    expect(codeOf(() => approve(deps, 'T1', { ...yes, commit: base }))).toBe('stale_commit');
    expect(codeOf(() => approve(deps, 'T1', { ...yes, evidence: 'f'.repeat(64) }))).toBe('stale_commit');
    const before = digest();
    store.checkRuns.insert(aRun({ id: 'ck-2', kind: 'verify', variant: 'restored' }));
    expect(codeOf(() => approve(deps, 'T1', { ...yes, evidence: before }))).toBe('stale_commit');
    for (const channel of ['flag', 'api'] as const)
      expect(codeOf(() => approve(deps, 'T1', { ...yes, channel }))).toBe('refused');
    expect(codeOf(() => approve(deps, 'T9', yes))).toBe('not_found');
    expect(codeOf(() => approve(setup({ phase: 'verifying' }).deps, 'T1', yes))).toBe('refused');
    expect(store.approvals.list()).toEqual([]);
  });

  it('without a terminal works where fleet.yaml allows it', () => {
    const { deps, store } = setup();
    const open = { ...deps, config: () => ({ ...config, review: { required: true, allowNonInteractive: true } }) };
    approve(open, 'T1', { by: 'ci', channel: 'flag', commit: head, evidence: null });
    expect(store.approvals.list()).toMatchObject([{ channel: 'flag', by: 'ci' }]);
  });

  it('can be given again after it was voided', () => {
    const { deps, store } = setup();
    approve(deps, 'T1', { ...word, commit: head, evidence: null });
    store.approvals.update(1, { state: 'void' });
    expect(approve(deps, 'T1', { ...word, commit: head, evidence: null }).changed).toBe(true);
  });
});

describe('reject', () => {
  it('sends it back with the notes and voids an approval', () => {
    const { deps, store, phase } = setup({ iterations: 5, stagnant: 2 });
    approve(deps, 'T1', { ...word, commit: head, evidence: null });
    reject(deps, 'T1', { ...word, notes: 'too slow' });
    expect(phase()).toBe('ready');
    expect(store.tasks.get('T1')).toMatchObject({
      iterations: 0,
      stagnant: 0,
      notes: [{ from: 'human', text: 'too slow' }],
    });
    expect(store.approvals.list('ORDER BY id').map((each) => [each.decision, each.state])).toEqual([
      ['approve', 'void'],
      ['reject', 'used'],
    ]);
    expect(codeOf(() => reject(deps, 'T1', { ...word, notes: 'again' }))).toBe('refused');
  });
});

function aDraft(more: Partial<TaskDraft> = {}): TaskDraft {
  const checks = [{ id: 'c', description: '', run: 'true', timeoutSeconds: 5 }];
  const limits = { iterations: null, maxTokens: null, maxUsd: null, maxCalls: null, maxDurationMs: null };
  return {
    ref: null,
    title: 't',
    description: '',
    checks,
    dependsOn: [],
    contextFiles: [],
    priority: 'medium',
    agent: null,
    model: null,
    limits,
    ...more,
  };
}

describe('submit', () => {
  it('takes all drafts or none', () => {
    const { deps, store } = setup();
    expect(codeOf(() => submit(deps, { project: null, drafts: [aDraft(), aDraft({ checks: [] })] }))).toBe(
      'invalid_file',
    );
    expect(codeOf(() => submit(deps, { project: null, drafts: [aDraft(), aDraft({ dependsOn: ['nobody'] })] }))).toBe(
      'invalid_file',
    );
    expect(store.tasks.list()).toHaveLength(1);
  });

  it('knows tasks of the same submission by name and makes what depends wait', () => {
    const { deps, store } = setup();
    const made = submit(deps, { project: 'p', drafts: [aDraft({ ref: 'a' }), aDraft({ dependsOn: ['a', 'T1'] })] });
    expect(made.map((task) => task.id)).toEqual(['T2', 'T3']);
    expect(store.tasks.get('T3')).toMatchObject({ phase: 'waiting', dependsOn: ['T2', 'T1'] });
  });

  it('refuses an agent CLI that is not in the image', () => {
    const { deps, store } = setup();
    const one = { ...deps, config: () => ({ ...config, image: { ...config.image, agents: ['claude'] } }) };
    expect(codeOf(() => submit(one, { project: null, drafts: [aDraft(), aDraft({ agent: 'codex' })] }))).toBe(
      'invalid_file',
    );
    expect(store.tasks.list()).toHaveLength(1);
    submit(one, { project: null, drafts: [aDraft({ agent: 'claude' }), aDraft({ agent: 'scripted' })] });
  });

  it('limits a task by its own budget, else by what the fleet has when it works', () => {
    const { deps, store } = setup();
    const limits = { iterations: 2, maxTokens: 3, maxUsd: 4, maxCalls: 5, maxDurationMs: 6 };
    submit(deps, { project: null, drafts: [aDraft(), aDraft({ limits })] });
    const { tokens, usd, calls } = config.budget;
    const at = (id: string) => budgetAt(`task:${id}`, { fleet: config.budget, changes: [], task: store.tasks.get(id) });
    expect(at('T2')).toMatchObject({ tokens, usd, calls, ms: null });
    expect(at('T3')).toMatchObject({ tokens: 3, usd: 4, calls: 5, ms: 6 });
  });

  it('asks which project when there are several, and refuses an unknown one', () => {
    const { deps, store } = setup();
    expect(codeOf(() => submit(deps, { project: 'x', drafts: [aDraft()] }))).toBe('not_found');
    store.projects.insert(aProject({ name: 'q' }));
    expect(codeOf(() => submit(deps, { project: null, drafts: [aDraft()] }))).toBe('usage');
  });
});

describe('a task', () => {
  it('is cancelled once, but not when it may stand on the branch already', () => {
    const { deps } = setup();
    expect([cancel(deps, 'T1').changed, cancel(deps, 'T1').changed]).toEqual([true, false]);
    expect(codeOf(() => cancel(setup({ phase: 'integrating' }).deps, 'T1'))).toBe('refused');
    expect(codeOf(() => cancel(setup({ phase: 'merged' }).deps, 'T1'))).toBe('refused');
  });

  it('is paused and goes on with its counters', () => {
    const { deps, store } = setup({ phase: 'implementing', iterations: 3 });
    expect([pause(deps, 'T1').changed, pause(deps, 'T1').changed]).toEqual([true, false]);
    resume(deps, 'T1');
    expect(store.tasks.get('T1')).toMatchObject({ phase: 'ready', iterations: 3, ralph: null });
    expect(codeOf(() => pause(setup().deps, 'T1'))).toBe('refused');
  });

  it.each(['verifying', 'reviewing'] as const)(
    'paused while %s goes on there: what is done is not done again',
    (phase) => {
      const { deps, store } = setup({ phase, head });
      pause(deps, 'T1');
      resume(deps, 'T1');
      expect(store.tasks.get('T1')).toMatchObject({ phase, pausedIn: null, head });
    },
  );

  it('tried again starts afresh, with its disk and the image under it', () => {
    const { deps, store } = setup({ phase: 'blocked', iterations: 5, uncounted: 10, disk: 'prep' });
    store.disks.update('image', { phase: 'failed', attempts: 3, failure: 'x' });
    store.disks.insert(aDisk({ key: 'prep', kind: 'prepared', backing: 'image', phase: 'wanted' }));
    retry(deps, 'T1');
    expect(store.tasks.get('T1')).toMatchObject({ phase: 'ready', iterations: 0, uncounted: 0, head });
    expect(store.disks.get('image')).toMatchObject({ phase: 'wanted', attempts: 0, failure: null });
    expect(codeOf(() => retry(deps, 'T1'))).toBe('refused');
  });

  it('that failed asks for nobody once it was seen, until it fails again', () => {
    const { store, deps } = setup({ phase: 'failed' });
    expect(markSeen(deps, 'T1')).toMatchObject({ changed: true, message: 'You have seen the failure of `T1`.' });
    expect(store.tasks.mustGet('T1').seen).toBe(true);
    expect(store.alive.tasks.rows()).toEqual([]);
    expect(markSeen(deps, 'T1').changed).toBe(false);
    retry(deps, 'T1');
    expect(store.tasks.mustGet('T1').seen).toBe(false);
  });

  it('that waits for a usage limit is resumed by trying it', () => {
    const { deps, store } = setup({ phase: 'rate_limited' });
    const window = {
      id: 'anthropic:ab:5h',
      provider: 'anthropic',
      window: '5h',
      cause: 'reached',
      usedRatio: 1,
    } as const;
    store.limits.insert({ ...window, since: 1, until: 2_000_000_000_000, lifted: false });
    resume(deps, 'T1');
    expect(store.tasks.get('T1')).toMatchObject({ phase: 'ready', until: null });
    expect(store.limits.list()).toMatchObject([{ lifted: true }]);
  });

  it('tried again is told what it should know, and may ask again what it asked', () => {
    const questions = [asked({ times: 3 })];
    const { deps, store, clock } = setup({ phase: 'stalled', questions });
    expect(retry(deps, 'T1', 'use port 80').message).toContain('with your notes');
    expect(store.tasks.get('T1')).toMatchObject({
      phase: 'ready',
      notes: [{ from: 'human', text: 'use port 80' }],
      questions: [{ times: 0, answer: null, closedAt: clock.now() }],
    });
  });
});

function asked(more: Partial<Question> = {}): Question {
  const one = { id: 1, question: 'Which?', options: ['x', 'y'], blocking: true, askedAt: 1, iteration: 1, times: 1 };
  return { ...one, preferred: null, answer: null, closedAt: null, ...more };
}

describe('an answer', () => {
  const ada = { answer: ' the first ', by: 'ada' };

  it('stands with its question, and what waited for it goes on afresh', () => {
    const { deps, store, clock } = setup({ phase: 'needs_input', iterations: 4, questions: [asked()] });
    expect(answer(deps, 'T1', ada).message).toBe('`T1` asked: Which? – it goes on with your answer.');
    expect(store.tasks.get('T1')).toMatchObject({
      phase: 'ready',
      iterations: 0,
      questions: [{ answer: 'the first', closedAt: clock.now() }],
    });
    expect(codeOf(() => answer(deps, 'T1', ada))).toBe('refused');
  });

  it('to what held nothing up waits for the next iteration', () => {
    const { deps, store } = setup({ phase: 'implementing', iterations: 4, questions: [asked({ blocking: false })] });
    answer(deps, 'T1', ada);
    expect(store.tasks.get('T1')).toMatchObject({
      phase: 'implementing',
      iterations: 4,
      questions: [{ answer: 'the first' }],
    });
  });

  it('goes to what holds the task up, or to the question that was shown; never to another one', () => {
    const questions = [asked({ blocking: false }), asked({ id: 2, question: 'Now?' })];
    const { deps, store, phase } = setup({ phase: 'needs_input', questions });
    expect(codeOf(() => answer(deps, 'T1', { ...ada, question: 7 }))).toBe('refused');
    answer(deps, 'T1', { ...ada, question: 1 });
    expect(phase()).toBe('needs_input');
    answer(deps, 'T1', ada);
    expect(phase()).toBe('ready');
    expect(store.tasks.get('T1')?.questions.map((each) => each.answer)).toEqual(['the first', 'the first']);
  });

  it('is not empty, and not for what has ended or asks nothing', () => {
    const { deps, phase } = setup({ phase: 'needs_input', questions: [asked()] });
    expect(codeOf(() => answer(deps, 'T1', { ...ada, answer: ' \n' }))).toBe('usage');
    expect(phase()).toBe('needs_input');
    expect(codeOf(() => answer(setup({ phase: 'merged', questions: [asked()] }).deps, 'T1', ada))).toBe('refused');
    expect(codeOf(() => answer(setup({ phase: 'implementing' }).deps, 'T1', ada))).toBe('refused');
  });

  it('lets a task go on that was stalled for asking too often; without one, what it asked is set aside', () => {
    const stalled = setup({ phase: 'stalled', questions: [asked({ times: 3 })] });
    answer(stalled.deps, 'T1', ada);
    expect(stalled.phase()).toBe('ready');
    const { deps, store, phase } = setup({
      phase: 'needs_input',
      questions: [asked(), asked({ id: 2, blocking: false })],
    });
    resume(deps, 'T1');
    expect(phase()).toBe('ready');
    expect(store.tasks.get('T1')?.questions.map((each) => [each.answer, each.closedAt === null])).toEqual([
      [null, false],
      [null, true],
    ]);
  });

  it('waits while its task is paused', () => {
    const { deps, phase } = setup({ phase: 'paused', questions: [asked()] });
    answer(deps, 'T1', ada);
    expect(phase()).toBe('paused');
  });
});

describe('another fleet.yaml', () => {
  it('may not change name or driver while there are VMs, which would be lost sight of', () => {
    const { deps, store } = setup();
    const change = (more: Partial<typeof config>) => codeOf(() => refuseLosingVms(deps, { ...config, ...more }));
    expect(change({ name: 'other' })).toBe('nothing');
    store.vms.insert(aVm());
    expect(change({ name: 'other' })).toBe('refused');
    expect(change({ driver: 'other' })).toBe('refused');
    expect(change({ driver: 'auto', roles: { implementer: 9, reviewer: 9 } })).toBe('nothing');
    store.vms.update('0000000a', { phase: 'gone' });
    expect(change({ name: 'other' })).toBe('nothing');
  });
});
