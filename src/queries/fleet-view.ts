import type { ApprovalRow, DiskView, FleetView } from '../contract/fleet-view.ts';
import { budgetAt, fleetNode } from '../domain/budget.ts';
import type { Disk, DiskRecipe } from '../domain/disk.ts';
import { usersOf } from '../domain/disk-users.ts';
import { evidenceDigest, reviewOf } from '../domain/evidence.ts';
import { adviseSize, vmLimit, vmsAsked } from '../domain/fit.ts';
import { inbox } from '../domain/inbox.ts';
import { toInboxSnapshot } from '../domain/inbox-snapshot.ts';
import type { Task } from '../domain/task.ts';
import { holdsRoom, type Vm } from '../domain/vm.ts';
import { toIso } from '../lib/clock.ts';
import type { QueryDeps } from './deps.ts';
import { ralphRow } from './ralph-row.ts';
import { taskRow } from './task-row.ts';
import { vmView } from './vm-view.ts';

const endedShown = 20;

/** The one status document: every face shows this and nothing else. */
export function fleetView(deps: QueryDeps): FleetView {
  const { store, clock, config, live } = deps;
  const now = clock.now();
  const tasks = shownTasks(deps);
  const vms = store.vms.list("WHERE phase <> 'gone' ORDER BY since");
  const fleet = store.fleet();
  const driver = live.driver();
  const problems = live.problems();
  const pass = live.lastPass();
  return {
    seq: store.events.last(),
    asOf: toIso(now),
    passAt: pass === null ? null : toIso(pass.at),
    fleet: {
      name: config().name,
      driver: driver.name,
      wall: driver.wall,
      accel: driver.accel,
      desired: fleet.desire,
      paused: fleet.paused,
      daemon: { pid: live.pid, version: live.version, since: toIso(live.since) },
    },
    host: hostView(deps, vms),
    disks: store.disks.list('ORDER BY since').map((disk) => diskView(deps, disk, null)),
    vms: vms.map((vm) => vmView(deps, vm)),
    ralphs: store.ralphs.list('ORDER BY name').map((ralph) => ralphRow(deps, ralph)),
    tasks: tasks.map((task) => taskRow(deps, task)),
    approvals: tasks.filter((task) => task.phase === 'awaiting_approval').flatMap((task) => approvalRow(deps, task)),
    inbox: inbox(
      toInboxSnapshot({
        now,
        tasks,
        reviews: store.reviews.list("WHERE phase = 'approved'"),
        flags: store.alive.flags.rows(),
        reviewsWaiting: config().limits.reviewsWaiting,
        budget: { fleet: config().budget, changes: store.budgets.list(), stops: store.stops.list() },
        limits: store.limits.list('ORDER BY until'),
        problems,
      }),
    ),
    budget: budgetOf(deps),
    limits: { reviewsWaiting: config().limits.reviewsWaiting },
    problems: problems.map(({ what, since, remedy, severity }) => ({ what, since: toIso(since), remedy, severity })),
  };
}

function hostView({ live, config }: QueryDeps, vms: readonly Vm[]): FleetView['host'] {
  const { pressure, ...host } = live.host();
  const { accel } = live.driver();
  return {
    ...host,
    promisedMiB: vms.filter(holdsRoom).reduce((sum, vm) => sum + vm.size.memoryMiB, 0),
    pressure: pressure === null ? null : { ...pressure, since: toIso(pressure.since) },
    vms: { asked: vmsAsked(config()), fit: vmLimit(config(), host, accel).vms },
    advice: adviseSize(config(), host, accel)?.advice ?? null,
  };
}

/** All that has not ended, and the newest that have. */
function shownTasks({ store }: QueryDeps): Task[] {
  const open = store.tasks.list("WHERE phase NOT IN ('merged', 'closed', 'cancelled') ORDER BY createdAt, rowid");
  const ended = store.tasks.list(
    "WHERE phase IN ('merged', 'closed', 'cancelled') ORDER BY since DESC LIMIT ?",
    endedShown,
  );
  return [...open, ...ended];
}

export function diskView({ store }: QueryDeps, disk: Disk, sizeBytes: number | null): DiskView {
  const { key, kind, project, phase, progress, failure, recipe } = disk;
  return {
    ...{ key, kind, project, phase, since: toIso(disk.since), progress, failure, sizeBytes },
    usedBy: usersOf(disk, store.alive),
    recipe: recipe === null ? null : shownRecipe(recipe, disk.backing ?? ''),
  };
}

function shownRecipe({ packages, run, inputs, registries }: DiskRecipe, image: string): DiskView['recipe'] {
  return { packages, run, inputs, registries, image };
}

function approvalRow({ store }: QueryDeps, task: Task): ApprovalRow[] {
  const { head: commit, base } = task;
  if (commit === null || base === null) return [];
  const checkRuns = store.checkRuns.list('WHERE task = ?', task.id);
  const reviews = store.reviews.list('WHERE task = ?', task.id);
  const rows = { commit, base, checkRuns, reviews };
  const verdict = reviewOf(rows)?.phase === 'approved' ? 'approved' : 'none';
  return [{ task: task.id, commit, base, evidence: evidenceDigest(rows), since: toIso(task.since), verdict }];
}

/** The usage window that is nearest to its end. */
function windowOf({ store, live, clock }: QueryDeps): FleetView['budget']['window'] {
  const limits = store.limits.list('WHERE until > ?', clock.now());
  const windows = [...live.usageWindows(), ...limits];
  const [fullest] = windows.toSorted((one, other) => (other.usedRatio ?? 0) - (one.usedRatio ?? 0));
  return fullest === undefined || fullest.usedRatio === null
    ? null
    : { usedRatio: fullest.usedRatio, resetsAt: toIso(fullest.until) };
}

function budgetOf(deps: QueryDeps): FleetView['budget'] {
  const { store, config, live, clock } = deps;
  const changes = store.budgets.list();
  const { per, tokens, usd, calls, warnAt } = budgetAt(fleetNode, { fleet: config().budget, changes, task: null });
  const level = live.fleetLevel();
  const none = { tokens: 0, usd: 0, calls: 0 };
  // While the gateway has told nothing since this daemon began, all there ever was: more, never less.
  const unknown = { settled: store.spend.total(), reserved: none };
  const isOver = level?.until != null && clock.now() >= level.until;
  const { settled, reserved } = level === null ? unknown : isOver ? { settled: none, reserved: none } : level;
  return {
    per,
    since: toIso(level === null ? live.since : isOver ? (level.until ?? 0) : level.since),
    resetsAt: level?.until == null || isOver ? null : toIso(level.until),
    limit: { tokens: tokens ?? 0, usd: usd ?? 0, calls: calls ?? 0 },
    spent: { ...settled, seconds: 0 },
    reserved,
    warnAt,
    window: windowOf(deps),
  };
}
