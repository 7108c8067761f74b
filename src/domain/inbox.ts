import { toIso } from '../lib/clock.ts';
import { credentialProblem } from './credential.ts';
import type { RaisedFlag } from './flag.ts';
import type { InboxAction, InboxItem, InboxKind, InboxSeverity } from './inbox-item.ts';
import { inboxSeverities } from './inbox-item.ts';
import type { TaskPhase } from './task.ts';
import { nameLimit, type UsageLimit } from './usage-limit.ts';

/**
 * What needs a person, computed from phases, questions and problems, never from timers or screen text. Pure; CLI, page, MCP and
 * notifications render the result and nothing else. An item's id is kind:subject:generation, where the generation is the time it
 * was raised: the same thing keeps its id over restarts, a re-raised one gets a new one (and a new ping).
 */
export interface InboxSnapshot {
  now: number;
  tasks: InboxTask[];
  /** Of agents, high and not seen yet. */
  flags: readonly RaisedFlag[];
  /** Number of reviews that may wait for the person before everything stands still. */
  reviewsWaitingLimit: number;
  /** Set while the fleet's own budget is gone: since when, and what of it. */
  budgetGone: { since: number; text: string; until: number | null } | null;
  /** Usage limits that hold. Nobody need do anything: they are told, and pass. */
  limits: readonly UsageLimit[];
  problems: {
    id: string;
    what: string;
    since: number;
    remedy: string;
    vm: string | null;
    severity: 'error' | 'warning';
  }[];
}

export interface InboxQuestion {
  question: string;
  options: string[];
  preferred: string | null;
  askedAt: number;
}

export interface InboxTask {
  id: string;
  project: string;
  title: string;
  phase: TaskPhase;
  since: number;
  reason: string | null;
  ralph: string | null;
  /** A failed task a person has looked at, or called off, no longer needs them. */
  seen: boolean;
  needs: 'credential' | null;
  /** For awaiting_approval: the commit and what is known of it. */
  approval: { commit: string; reviewed: boolean; calledOut: number } | null;
  question: InboxQuestion | null;
  /** Questions that do not hold it up. */
  asides: InboxQuestion[];
  /** Ids of tasks that wait for this one. */
  dependents: string[];
}

const waitingAfterMs = 30 * 60_000;
const overdueAfterMs = 8 * 3_600_000;

export function inbox(snapshot: InboxSnapshot): InboxItem[] {
  const waiting = snapshot.tasks.filter((task) => task.phase === 'awaiting_approval').length;
  const everythingWaits = waiting > 0 && waiting >= snapshot.reviewsWaitingLimit;
  // Where the whole fleet stands still for want of money or of a credential, one item says so for every task.
  const isSaid = snapshot.problems.some(({ id }) => id.startsWith(credentialProblem));
  const isForAll = (task: InboxTask) =>
    task.phase === 'over_budget'
      ? snapshot.budgetGone !== null
      : task.phase === 'blocked' && task.needs !== null && isSaid;
  const shown = snapshot.tasks.filter((task) => !isForAll(task));
  const items = shown.flatMap((task) => taskItem(task, everythingWaits, snapshot.now) ?? []);
  for (const task of snapshot.tasks) items.push(...task.asides.map((aside) => asideItem(task, aside, snapshot.now)));
  if (snapshot.budgetGone) items.push(budgetItem(snapshot.budgetGone, snapshot.now));
  for (const limit of snapshot.limits) items.push(limitItem(limit, snapshot));
  for (const flag of snapshot.flags) items.push(flagItem(flag, snapshot.now));
  for (const problem of snapshot.problems) {
    if (problem.severity === 'error') items.push(problemItem(problem, snapshot.now));
  }
  return items.sort(
    (a, b) =>
      inboxSeverities.indexOf(a.severity) - inboxSeverities.indexOf(b.severity) ||
      a.since.localeCompare(b.since) ||
      a.id.localeCompare(b.id),
  );
}

function taskItem(task: InboxTask, everythingWaits: boolean, now: number): InboxItem | null {
  const severity: InboxSeverity = task.dependents.length > 0 ? 'blocking-one' : 'soon';
  switch (task.phase) {
    case 'awaiting_approval':
      return item(task, now, {
        kind: 'approve',
        title: task.title,
        why: whyApprove(task),
        severity: everythingWaits ? 'blocking-many' : severity,
        actions: [
          action('A', 'approve', `ralph-fleet approve ${task.id}`, 'yes'),
          action('R', 'reject with notes', `ralph-fleet reject ${task.id} -m NOTES`, 'yes'),
        ],
      });
    case 'needs_input':
      return item(task, now, answerDraft(task, task.question, 'blocking-one'));
    case 'over_budget':
      return item(task, now, {
        kind: 'decide-budget',
        title: task.title,
        why: task.reason ?? 'its budget is gone',
        severity,
        actions: [
          action('p', 'raise the limit, and it goes on', `ralph-fleet budget set ${task.id} --usd N`, 'yes'),
          action('X', 'cancel', `ralph-fleet task cancel ${task.id}`, 'type-id'),
        ],
      });
    case 'failed':
    case 'stalled':
    case 'blocked':
      return task.seen ? null : mendItem(task, severity, now);
    default:
      return null;
  }
}

function answerDraft(task: InboxTask, asked: InboxQuestion | null, severity: InboxSeverity): Draft {
  return {
    kind: 'answer',
    title: asked?.question ?? task.reason ?? task.title,
    why: optionsOf(asked) || task.title,
    severity,
    since: asked?.askedAt ?? task.since,
    actions: [action('=', 'answer', `ralph-fleet task answer ${task.id} ${asked?.options.length ? 'a' : 'TEXT'}`)],
  };
}

/** The task goes on meanwhile. */
function asideItem(task: InboxTask, asked: InboxQuestion, now: number): InboxItem {
  return item(task, now, answerDraft(task, asked, 'info'));
}

function optionsOf(asked: InboxQuestion | null): string {
  const { options = [], preferred = null } = asked ?? {};
  const shown = options.map((one, i) => `${letter(i)}) ${one}${one === preferred ? ' (its choice)' : ''}`);
  const other = preferred === null || options.includes(preferred) ? [] : [`its choice: ${preferred}`];
  return [...shown, ...other].join('  ');
}

function mendItem(task: InboxTask, severity: InboxSeverity, now: number): InboxItem {
  return item(task, now, {
    kind: 'mend',
    title: task.title,
    why: task.reason ?? task.phase,
    severity,
    actions: [
      action('r', 'try again', `ralph-fleet task retry ${task.id}${task.phase === 'blocked' ? '' : ' -m NOTES'}`),
      ...(task.phase === 'failed' ? [action('s', 'seen, leave it', `ralph-fleet task seen ${task.id}`)] : []),
      action('X', 'cancel', `ralph-fleet task cancel ${task.id}`, 'type-id'),
    ],
  });
}

function whyApprove(task: InboxTask): string {
  const parts = ['verified'];
  if (task.approval) parts[0] = `verified on ${task.approval.commit.slice(0, 7)}`;
  if (task.approval?.reviewed) parts.push('reviewed');
  const files = task.approval?.calledOut ?? 0;
  if (files > 0) parts.push(`${files} called out`);
  if (task.dependents.length > 0) parts.push(`${task.dependents.join(', ')} waits for it`);
  if (task.reason !== null) parts.push(task.reason);
  return parts.join(', ');
}

interface Draft {
  kind: InboxKind;
  title: string;
  why: string;
  severity: InboxSeverity;
  actions: InboxAction[];
  since?: number;
}

function item(task: InboxTask, now: number, draft: Draft): InboxItem {
  const since = draft.since ?? task.since;
  return {
    id: `${draft.kind}:${task.id}:${since}`,
    kind: draft.kind,
    subject: { task: task.id, ralph: task.ralph, vm: null, project: task.project },
    title: draft.title,
    why: draft.why,
    since: toIso(since),
    ageClass: ageClass(now - since),
    actions: draft.actions,
    link: { cli: draft.actions[0]?.command ?? `ralph-fleet why ${task.id}`, tui: null, web: null },
    severity: draft.severity,
  };
}

function budgetItem(gone: NonNullable<InboxSnapshot['budgetGone']>, now: number): InboxItem {
  const command = 'ralph-fleet budget set fleet --usd N';
  return {
    id: `decide-budget:fleet:${gone.since}`,
    kind: 'decide-budget',
    subject: { task: null, ralph: null, vm: null, project: null },
    title: 'the fleet has spent its budget',
    why: gone.until === null ? gone.text : `${gone.text}; goes on at ${toIso(gone.until)}`,
    since: toIso(gone.since),
    ageClass: ageClass(now - gone.since),
    actions: [action('b', 'raise `budget` in fleet.yaml, then', command, 'yes')],
    link: { cli: command, tui: null, web: null },
    severity: 'blocking-many',
  };
}

function limitItem(limit: UsageLimit, { tasks, now }: InboxSnapshot): InboxItem {
  const parked = tasks.filter((task) => task.phase === 'rate_limited').map((task) => task.id);
  const who =
    parked.length === 0 ? 'nothing is parked yet' : `${parked.join(', ')} ${parked.length === 1 ? 'is' : 'are'} parked`;
  return {
    id: `info:limit:${limit.id}:${limit.since}`,
    kind: 'info',
    subject: { task: null, ralph: null, vm: null, project: null },
    title: nameLimit(limit),
    why: `until ${toIso(limit.until)}, then it goes on by itself; ${who}`,
    since: toIso(limit.since),
    ageClass: ageClass(now - limit.since),
    actions: [],
    link: { cli: 'ralph-fleet status', tui: null, web: null },
    severity: 'info',
  };
}

function flagItem(flag: RaisedFlag, now: number): InboxItem {
  return {
    id: `info:${flag.id}:${flag.at}`,
    kind: 'info',
    subject: { task: flag.task, ralph: flag.ralph, vm: null, project: flag.project },
    title: flag.what,
    why: `${flag.category}, flagged by ${flag.ralph}`,
    since: toIso(flag.at),
    ageClass: ageClass(now - flag.at),
    actions: [action('s', 'seen', `ralph-fleet task seen ${flag.task}`)],
    link: { cli: `ralph-fleet task show ${flag.task}`, tui: null, web: null },
    severity: 'soon',
  };
}

function problemItem(problem: InboxSnapshot['problems'][number], now: number): InboxItem {
  return {
    id: `mend:${problem.id}:${problem.since}`,
    kind: 'mend',
    subject: { task: null, ralph: null, vm: problem.vm, project: null },
    title: problem.what,
    why: problem.remedy,
    since: toIso(problem.since),
    ageClass: ageClass(now - problem.since),
    actions: [action('d', 'look into it', 'ralph-fleet doctor')],
    link: { cli: 'ralph-fleet doctor', tui: null, web: null },
    severity: 'soon',
  };
}

function action(key: string, label: string, command: string, confirm: InboxAction['confirm'] = 'none'): InboxAction {
  return { key, label, command, confirm, disabledReason: null };
}

function ageClass(ms: number): InboxItem['ageClass'] {
  if (ms >= overdueAfterMs) return 'overdue';
  return ms >= waitingAfterMs ? 'waiting' : 'fresh';
}

function letter(index: number): string {
  return String.fromCharCode(97 + (index % 26));
}
