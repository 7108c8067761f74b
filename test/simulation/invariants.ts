import { isDeepStrictEqual } from 'node:util';
import { evidenceDigest } from '../../src/domain/evidence.ts';
import { isReplayOpen, verdictOf } from '../../src/domain/replay.ts';
import { isEnded } from '../../src/domain/task.ts';
import type { Database } from '../../src/store/open.ts';
import { createStore } from '../../src/store/store.ts';
import { fleetName } from './config.ts';
import type { SimWorld } from './simulate.ts';

/** What must hold at every moment. */
export function checkAlways(world: SimWorld): void {
  let up = 0;
  for (const vm of world.hypervisor.vms.values())
    if (vm.fleet === fleetName && vm.state === 'running' && vm.spec !== null) up++;
  if (up > world.capacity) world.violations.push(`${up} VMs run where ${world.capacity} fit`);
  checkIterations(world);
  checkCopies(world);
}

/** An agent that gives no sign of life is ended long before its time is up; this is more than all trouble about it takes. */
const longestSilenceMs = 5_400_000;

/** While a task waits for its person nothing works for it, and no token is spent. */
function checkIterations({ store, clock, violations }: SimWorld): void {
  for (const { id, task, phase, startedAt, vm } of store.alive.iterations.rows()) {
    if (phase === 'ended') continue;
    const isFrozen = store.vms.get(vm)?.phase === 'paused';
    if (clock.now() - startedAt > longestSilenceMs && !isFrozen) violations.push(`iteration ${id} went on in silence`);
    if (store.tasks.get(task)?.phase === 'needs_input') violations.push(`iteration ${id} works while ${task} waits`);
  }
}

/** Disk and change go together: what works first in a VM made of a snapshot goes on from that snapshot's commit. */
function checkCopies({ store, violations }: SimWorld): void {
  for (const it of store.alive.iterations.rows()) {
    const origin = it.phase === 'started' ? (store.vms.get(it.vm)?.origin ?? null) : null;
    if (origin === null || it.role !== 'implementer') continue;
    const isFirst = !store.alive.iterations.rows().some((other) => other.vm === it.vm && other.n < it.n);
    const base = store.tasks.get(it.task)?.base;
    if (isFirst && it.fromCommit !== (origin.commit ?? base))
      violations.push(`${it.id} goes on from ${it.fromCommit} on the disk of ${origin.commit}`);
  }
}

/** What a daemon remembers of its rows is what the next one reads. */
export function checkRemembered({ store, clock, violations }: SimWorld, db: Database): void {
  const next = createStore({ db, clock });
  for (const noun of Object.keys(store.alive) as (keyof typeof store.alive)[]) {
    if (!isDeepStrictEqual(store.alive[noun].rows(), next.alive[noun].rows()))
      violations.push(`the ${noun} remembered are not those in the database`);
  }
  const other = (of: typeof store) => [of.fleet(), of.pinged(), of.spend.cursor()];
  if (!isDeepStrictEqual(other(store), other(next))) violations.push('what is remembered is not in the database');
}

/** What must hold once everything has come to rest. */
export function checkAtEnd(world: SimWorld): void {
  checkTasks(world);
  checkParents(world);
  checkForeign(world);
  checkWork(world);
  checkLeftovers(world);
  checkSpend(world);
  checkSaid(world);
  checkReplays(world);
}

function checkTasks(world: SimWorld): void {
  const { store, repository, violations } = world;
  for (const task of store.tasks.list()) {
    if (!isEnded(task.phase)) violations.push(`${task.id} did not come to rest: ${task.phase} (${task.reason ?? ''})`);
    const times = repository.branch.filter((entry) => entry.task === task.id).length;
    const wanted = task.phase === 'merged' ? 1 : 0;
    if (times !== wanted) violations.push(`${task.id} is ${task.phase} and stands ${times} times on the branch`);
    if (task.phase === 'merged') checkMerged(world, task.id);
  }
}

function checkWork({ store, violations }: SimWorld): void {
  for (const { id, phase, role, outcome, savedCommit } of store.iterations.list()) {
    if (phase !== 'ended') violations.push(`iteration ${id} was never ended`);
    if (role === 'implementer' && outcome !== 'infra' && savedCommit === null) {
      violations.push(`the work of iteration ${id} (${outcome}) was not saved`);
    }
  }
}

/** What an iteration left behind is where the next one starts, unless the change was moved onto another base between. */
function checkParents({ store, repository, violations }: SimWorld): void {
  for (const task of store.tasks.list()) {
    if (repository.rebased.has(task.id)) continue;
    let head: string | null = null;
    for (const it of store.iterations.list("WHERE task = ? AND role = 'implementer' ORDER BY n", task.id)) {
      const isGoneBack = repository.rewound.has(`${task.id} ${it.fromCommit}`);
      if (head !== null && it.fromCommit !== head && !isGoneBack)
        violations.push(`${it.id} did not start from the work before it`);
      head = it.savedCommit ?? head;
    }
  }
}

function checkForeign({ hypervisor, foreign, violations }: SimWorld): void {
  if (foreign && hypervisor.vms.get('0000000f')?.spec !== null) violations.push('a foreign VM was touched');
}

function checkLeftovers({ store, hypervisor, gateway, violations }: SimWorld): void {
  for (const vm of hypervisor.vms.values()) if (vm.fleet === fleetName) violations.push(`VM ${vm.id} was left behind`);
  for (const id of hypervisor.snapshots.keys()) violations.push(`the snapshot ${id} was left behind`);
  for (const { id, phase } of store.snapshots.list()) violations.push(`the row of snapshot ${id} was left at ${phase}`);
  for (const vm of store.vms.list("WHERE phase <> 'gone'"))
    violations.push(`the row of VM ${vm.id} was left at ${vm.phase}`);
  for (const ralph of store.ralphs.list('WHERE task IS NOT NULL'))
    violations.push(`${ralph.name} still holds ${ralph.task}`);
  for (const tunnel of gateway.openTunnels) violations.push(`the tunnel to ${tunnel} was left open`);
}

/** Checks of the simulation come to the same on the same tree, but for those that fail on a good one: so must their replays. */
function checkReplays({ store, repository, violations }: SimWorld): void {
  for (const replay of store.replays.list()) {
    if (isReplayOpen(replay) || !replay.tidied) violations.push(`${replay.id} was left at ${replay.phase}`);
    const isGood = repository.treeOf(replay.commit).startsWith('good');
    const hasPassed = replay.runs.some((run) => run.results.some((one) => one.passed));
    if (hasPassed && !isGood) violations.push(`${replay.id} passed on a tree that does not pass`);
    if (replay.phase === 'ended' && verdictOf(replay) === null) violations.push(`${replay.id} ended without a verdict`);
  }
  for (const disk of store.disks.list('WHERE project LIKE ?', 'rp-%'))
    violations.push(`the disk ${disk.key} of a replay was left behind`);
}

function checkSpend({ store, gateway, violations }: SimWorld): void {
  const counted = store.spend.total().calls;
  const metered = gateway.ledger.filter((call) => call.refused === null);
  const ended = metered.filter((call) => store.iterations.get(call.iteration)?.phase === 'ended').length;
  if (counted > metered.length || counted < ended)
    violations.push(`${counted} calls counted, ${metered.length} metered`);
}

/** What an agent was told is noted stands in the rows of its iteration: once, and whatever died between. */
function checkSaid({ store, gateway, violations }: SimWorld): void {
  const lessons = new Map(store.lessons.list().map((lesson) => [lesson.text, lesson.times]));
  for (const [id, { calls }] of gateway.said) {
    const iteration = store.iterations.get(id);
    // Null: the fleet went down while the gateway was away, and nobody heard it.
    if (iteration?.phase !== 'ended' || iteration.arrived === null) continue;
    if (iteration.role === 'reviewer') continue;
    if (calls.some(({ verb }) => verb === 'learned') && lessons.get(`lesson of ${id}`) !== 1)
      violations.push(`what ${id} learned is kept ${lessons.get(`lesson of ${id}`) ?? 0} times`);
    const isDone = calls.some(({ verb }) => verb === 'done');
    if (isDone && iteration.outcome !== 'done' && iteration.outcome !== 'infra')
      violations.push(`${id} said it is done, and is ${iteration.outcome}`);
  }
}

/** Merged means: approved by a person for exactly that commit, on evidence of checks that passed in VMs no agent touched. */
function checkMerged({ store, repository, violations }: SimWorld, id: string): void {
  const entry = repository.branch.find((each) => each.task === id);
  if (entry === undefined) return;
  const approvals = store.approvals.list("WHERE task = ? AND state = 'used' AND decision = 'approve'", id);
  const approval = approvals.find((each) => each.commit === entry.commit);
  if (approvals.length !== 1 || approval === undefined) {
    violations.push(`${id} was merged without its approval`);
    return;
  }
  const runs = store.checkRuns.list('WHERE task = ? AND kind = \'verify\' AND "commit" = ?', id, entry.commit);
  for (const variant of ['as-committed', 'restored']) {
    const passed = runs.find((run) => run.variant === variant && run.phase === 'passed' && run.base === approval.base);
    if (passed === undefined) violations.push(`${id} was merged without passing ${variant} on its base`);
    else if (store.vms.get(passed.vm ?? '')?.touched !== false)
      violations.push(`${id} was verified in a VM an agent had touched`);
  }
  if (!repository.treeOf(entry.commit).startsWith('good'))
    violations.push(`${id} was merged with a tree that does not pass`);
  const evidence = evidenceDigest({
    commit: approval.commit,
    base: approval.base,
    checkRuns: runs,
    reviews: store.reviews.list('WHERE task = ?', id),
  });
  if (approval.carriedFrom === null && approval.evidence !== evidence)
    violations.push(`${id}: the approval is bound to other evidence`);
}
