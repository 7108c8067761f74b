import { approve, reject } from '../../src/actions/approve.ts';
import { setBudget } from '../../src/actions/budget.ts';
import { fleetDown, fleetPause, fleetResume, fleetUp } from '../../src/actions/fleet.ts';
import { removeDisks } from '../../src/actions/image.ts';
import { cancelReplay, replayHanded, replayTask } from '../../src/actions/replay.ts';
import { rewind } from '../../src/actions/rewind.ts';
import { submit } from '../../src/actions/submit.ts';
import { answer, cancel, pause, resume, retry } from '../../src/actions/task.ts';
import { cloneVm, deleteVm, snapshotVm } from '../../src/actions/vm.ts';
import { evidenceDigest } from '../../src/domain/evidence.ts';
import { openQuestions } from '../../src/domain/question.ts';
import { isReplayOpen } from '../../src/domain/replay.ts';
import type { Task } from '../../src/domain/task.ts';
import { isEnded } from '../../src/domain/task.ts';
import { isOpenToPeople } from '../../src/domain/vm.ts';
import { isFleetError } from '../../src/lib/errors.ts';
import { isUsable } from '../../src/reconcile/plan/world.ts';
import { config, fleetName } from './config.ts';
import { createOnceCalm } from './once-calm.ts';
import type { SimWorld } from './simulate.ts';

/** As long as this a calm fleet needs at most to give back what a task does not need. */
const restMs = 120_000;

/** A person who submits tasks, looks in now and then, approves, rejects, changes their mind, and in the end goes home. */
export interface Person {
  begin(): void;
  /** No more trouble: everything is approved or tried again until it is done, then the VMs are removed. */
  calm(): void;
  isDone(): boolean;
}

export function createPerson(world: SimWorld, nudge: () => void): Person {
  const { clock, dice, store, repository } = world;
  const deps = { store, clock, changes: repository.changes, config: () => config };
  const calm = createOnceCalm(world, nudge);
  let isCalm = false;
  let isDone = false;
  let hasRested = false;
  let hasLeft = false;
  let isSqueezed = false;
  const retries = new Map<string, number>();
  const goneBack = new Map<string, number>();

  function begin(): void {
    const now = clock.now();
    const check = { id: 'c', description: 'd', run: 'true', timeoutSeconds: 60 };
    const setup = dice.chance(0.3) ? { run: 'make', inputs: ['a'], timeoutSeconds: 60 } : null;
    const packages = setup !== null && dice.chance(0.5) ? ['sqlite3'] : [];
    const services = setup !== null && dice.chance(0.5) ? [{ name: 'db', run: 'db', ready: 'db-ready' }] : [];
    store.projects.insert({
      name: 'p',
      path: '/p',
      branch: 'main',
      settings: { setup, protected: [], checks: [], registries: setup === null ? [] : ['npm'], packages, services },
      settingsFrom: 'x',
      addedAt: now,
    });
    const count = dice.between(1, 3);
    const drafts = Array.from({ length: count }, (_, at) => ({
      ref: `r${at}`,
      title: `t${at}`,
      description: '',
      checks: [check],
      dependsOn: at > 0 && dice.chance(0.3) ? [`r${at - 1}`] : [],
      contextFiles: [],
      priority: 'medium' as const,
      agent: null,
      model: null,
      limits: { iterations: null, maxTokens: null, maxUsd: null, maxCalls: null, maxDurationMs: null },
    }));
    submit(deps, { project: 'p', drafts });
    fleetUp(deps);
    if (dice.chance(0.1)) {
      world.hypervisor.appear('0000000f', 'other', 'running');
      world.foreign = true;
    }
    void live();
  }

  async function live(): Promise<void> {
    while (!isDone) {
      await clock.sleep(isCalm ? 5_000 : dice.between(2_000, 40_000));
      try {
        if (!isCalm) mischief();
        else {
          await onceCalm();
        }
        for (const task of store.alive.tasks.rows()) {
          glance(task);
          look(store.tasks.mustGet(task.id));
        }
        if (isCalm) await goHome();
      } catch (error) {
        if (!isFleetError(error)) throw error;
      }
      nudge();
    }
  }

  /** Each with its share of the times a person, or the world, does something unasked. */
  const pranks: readonly [number, () => void][] = [
    [0.03, () => onRunning((id) => world.takeDown(id))],
    [0.02, () => repository.moveBranch()],
    [0.02, () => fleetDown(deps, dice.chance(0.3))],
    [0.01, () => world.takeDown(null)],
    [0.01, () => void world.hypervisor.appear(dice.hex(4), fleetName, 'running')],
    [0.02, () => world.hypervisor.templates.clear()],
    [0.11, () => fleetUp(deps)],
    [0.02, () => tryEach((task) => pause(deps, task.id))],
    [0.01, () => tryEach((task) => cancel(deps, task.id))],
    [0.01, () => world.gateway.lift()],
    [0.01, () => fleetPause(deps)],
    [0.03, () => fleetResume(deps)],
    [0.02, () => tryEach((task) => resume(deps, task.id))],
    [0.02, () => tryEach((task) => retry(deps, task.id))],
    [0.04, () => replayOne()],
    [0.03, () => removeDisks(deps)],
    [0.03, () => onVm((id) => snapshotVm(deps, id, dice.hex(4)))],
    [0.06, () => onVm((id) => cloneVm(deps, id, { vm: dice.hex(4), snapshot: dice.hex(4) }))],
    [0.03, () => onVm((id) => deleteVm(deps, id))],
    [0.08, () => tryEach(goBack)],
    [0.06, () => goAway(dice.pick(['gateway', 'driver', 'guests', 'changes', 'storage']))],
    [0.04, () => world.host.fill()],
    [0.02, () => world.host.makeRoom()],
    [0.02, () => world.gateway.setCredential(dice.pick(['missing', 'expired', 'refused']))],
    [0.04, () => world.gateway.setCredential('present')],
    [0.03, () => onRunning((id) => world.silence(id, dice.between(5_000, 900_000)))],
    [0.02, () => onRunning((id) => world.hypervisor.suspend(id))],
    [0.02, () => onOwn((id) => world.hypervisor.undefine(id))],
    [0.02, () => onOwn((id) => world.hypervisor.removeDisk(id))],
    [0.03, () => onOwn(undefine)],
  ];

  function mischief(): void {
    let roll = dice.next();
    for (const [share, play] of pranks) {
      if (roll < share) {
        play();
        return;
      }
      roll -= share;
    }
  }

  function onRunning(act: (vm: string) => void): void {
    const running = [...world.hypervisor.vms.values()].filter((vm) => vm.fleet === fleetName && vm.state === 'running');
    if (running.length > 0) act(dice.pick(running).id);
  }

  function onOwn(act: (vm: string) => void): void {
    const own = [...world.hypervisor.vms.values()].filter((vm) => vm.fleet === fleetName);
    if (own.length > 0) act(dice.pick(own).id);
  }

  function onVm(act: (vm: string) => void): void {
    const vms = store.alive.vms.rows().filter((vm) => isOpenToPeople(vm) || dice.chance(0.2));
    if (vms.length > 0) act(dice.pick(vms).id);
  }

  /** To an iteration, a snapshot, or something that never was. */
  function goBack({ id }: Task): void {
    const kept = store.alive.snapshots.rows().filter((one) => one.task === id);
    const to = kept.length > 0 && dice.chance(0.5) ? `s-${dice.pick(kept).id}` : String(dice.between(0, 4));
    rewind(deps, id, { to, notes: dice.pick([null, 'this time']) });
  }

  /** A person's own VMs and snapshots hold room until they are given back. */
  function giveBack(): void {
    for (const vm of store.alive.vms.rows()) if (vm.purpose === 'clone' && dice.chance(0.1)) deleteVm(deps, vm.id);
  }

  /** Off and undefined: only its disk is left. */
  function undefine(id: string): void {
    world.hypervisor.undefine(id);
    world.takeDown(id);
  }

  /** With no other trouble about, a VM that is undefined in the middle of an iteration must not cost what is on its disk. */
  function undefineOne(): void {
    if (world.undefinedVm !== null || !dice.chance(0.2)) return;
    const running = store.iterations.list("WHERE phase = 'running' AND role = 'implementer'").map((it) => it.vm);
    const sound = store.vms.list("WHERE phase = 'ready' AND failure IS NULL").filter((vm) => {
      const made = world.hypervisor.vms.get(vm.id);
      return running.includes(vm.id) && made?.hasDisk && made.state === 'running';
    });
    if (sound.length === 0) return;
    world.undefinedVm = dice.pick(sound).id;
    undefine(world.undefinedVm);
  }

  /** What was verified is done once more; sometimes that is called off. */
  function replayOne(): void {
    const open = store.replays.list("WHERE phase IN ('wanted', 'running')");
    if (open.length > 0 && dice.chance(0.3)) {
      cancelReplay(deps, dice.pick(open).id);
      return;
    }
    const tasks = store.tasks.list('WHERE head IS NOT NULL');
    if (tasks.length === 0) return;
    const id = `rp-${dice.hex(4)}`;
    if (dice.chance(0.6)) replayTask(deps, dice.pick(tasks).id, id);
    else handOver(dice.pick(tasks), id);
  }

  /** The same as a bundle from somewhere else, whose disk is not there any more. */
  function handOver(task: Task, id: string): void {
    const run = store.checkRuns.list("WHERE task = ? AND kind = 'verify' AND record IS NOT NULL", task.id).at(-1);
    if (run === undefined) return;
    const { checks, title } = task;
    const { commit, base, variant, tested, results } = run;
    const recipe = {
      packages: ['sqlite3'],
      run: 'make',
      inputs: ['a'],
      inputsHash: 'inputs',
      timeoutSeconds: 60,
      registries: [],
    };
    const disk = dice.pick([
      { disk: 'gone', recipe: null },
      { disk: 'gone', recipe },
    ]);
    const recorded = { runs: [{ variant, tested, results }], protected: [], services: [], image: 'old', ...disk };
    replayHanded(deps, { title, source: { repository: '/r', change: '/c' }, commit, base, checks, recorded }, id);
  }

  function goAway(what: string): void {
    world.away.set(what, clock.now() + dice.between(1_000, 60_000));
  }

  function tryEach(act: (task: Task) => void): void {
    const tasks = store.alive.tasks.rows().filter((task) => !isEnded(task.phase));
    if (tasks.length > 0) act(dice.pick(tasks));
  }

  function look(task: Task): void {
    switch (task.phase) {
      case 'awaiting_approval':
        decide(task);
        return;
      case 'needs_input':
        takeTime(task);
        return;
      case 'paused':
        if (isCalm || dice.chance(0.5)) resume(deps, task.id);
        return;
      case 'over_budget':
        if (dice.chance(0.5)) raise(task);
        else again(task);
        return;
      case 'blocked':
        // For want of a credential: it goes on by itself once that is there.
        if (task.needs === null) again(task);
        return;
      case 'stalled':
      case 'failed':
        again(task);
        return;
      default:
        return;
    }
  }

  /** Sometimes a while goes by before the person answers: then nothing is held for the task any more. */
  function takeTime(task: Task): void {
    const waited = clock.now() - task.since;
    if (isCalm && waited < restMs) return;
    if (isCalm && store.alive.vms.rows().some((vm) => vm.task === task.id && isUsable(vm)))
      world.violations.push(`the VM of ${task.id}, which waits for its person, was not given back`);
    if (dice.chance(0.1)) resume(deps, task.id);
    else answer(deps, task.id, { answer: dice.pick(['yes', 'no']), by: 'sim' });
  }

  /** What held nothing up is answered now and then. */
  function glance(task: Task): void {
    if (isEnded(task.phase) || task.phase === 'needs_input' || dice.chance(0.7)) return;
    if (openQuestions(task.questions).length > 0) answer(deps, task.id, { answer: 'as you like', by: 'sim' });
  }

  function decide(task: Task): void {
    if (store.approvals.list("WHERE task = ? AND state = 'active'", task.id).length > 0) return;
    if (dice.chance(0.3)) replayOne();
    if (dice.chance(0.3)) cloneVm(deps, task.id, { vm: dice.hex(4), snapshot: dice.hex(4) });
    const back = goneBack.get(task.id) ?? 0;
    if (back < 2 && dice.chance(0.2)) {
      goneBack.set(task.id, back + 1);
      goBack(task);
      return;
    }
    if (!isCalm && dice.chance(0.2)) {
      reject(deps, task.id, { by: 'sim', channel: 'api', notes: 'again' });
      return;
    }
    const evidence = evidenceDigest({
      commit: task.head ?? '',
      base: task.base ?? '',
      checkRuns: store.checkRuns.list('WHERE task = ?', task.id),
      reviews: store.reviews.list('WHERE task = ?', task.id),
    });
    approve(deps, task.id, { by: 'sim', channel: 'api', commit: task.head ?? '', evidence });
  }

  /** Each level that might have refused it. */
  function raise({ id }: Task): void {
    const usd = dice.between(1, 100_000) + 100;
    for (const level of [id, `review:${id}`, 'fleet']) setBudget(deps, { level, reset: false, by: 'sim', usd });
  }

  function again(task: Task): void {
    const tried = retries.get(task.id) ?? 0;
    retries.set(task.id, tried + 1);
    if (tried < 5) retry(deps, task.id, dice.pick([null, 'look again']));
    else cancel(deps, task.id);
  }

  async function onceCalm(): Promise<void> {
    giveBack();
    if (!isSqueezed) {
      isSqueezed = true;
      await calm.squeeze();
    }
    if (!hasLeft) {
      hasLeft = true;
      await calm.leaveEarly();
    }
    undefineOne();
  }

  /** Once all tasks have ended: everything down and away. */
  async function goHome(): Promise<void> {
    const open = store.alive.tasks.rows().filter((task) => !isEnded(task.phase));
    if (open.length > 0) {
      fleetUp(deps);
      fleetResume(deps);
      return;
    }
    if (!hasRested) {
      await rest();
      hasRested = true;
    }
    if (store.alive.replays.rows().some(isReplayOpen)) return;
    fleetDown(deps, true);
    const held = store.alive.ralphs.rows().filter((ralph) => ralph.task !== null).length;
    if (
      calm.vmsLeft() === 0 &&
      held === 0 &&
      store.alive.replays.rows().length === 0 &&
      world.hypervisor.snapshots.size + store.alive.snapshots.rows().length === 0 &&
      world.gateway.openTunnels.size === 0
    )
      isDone = true;
  }

  /** With nothing left to do a fleet that is up does nothing: no step is planned, no model is called. */
  async function rest(): Promise<void> {
    for (let tries = 0; tries < 200; tries++) {
      const spent = world.gateway.ledger.length;
      if ((await world.look()).plan.steps.length === 0) {
        await clock.sleep(300_000);
        const { steps } = (await world.look()).plan;
        if (steps.length > 0) world.violations.push(`an idle fleet plans ${steps.map((s) => s.kind).join(', ')}`);
        if (world.gateway.ledger.length > spent) world.violations.push('an idle fleet called a model');
        return;
      }
      await clock.sleep(5_000);
    }
    const { steps } = (await world.look()).plan;
    world.violations.push(
      `with all at rest these steps never end: ${steps.map((s) => `${s.kind} (${s.reason})`).join(', ')}`,
    );
  }

  return {
    begin,
    calm: () => {
      isCalm = true;
      world.host.makeRoom();
      world.gateway.setCredential('present');
    },
    isDone: () => isDone,
  };
}
