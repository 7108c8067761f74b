import { sayPressure } from '../../domain/pressure.ts';
import type { Service } from '../../domain/project.ts';
import { type Snapshot, sayOrigin } from '../../domain/snapshot.ts';
import type { Task } from '../../domain/task.ts';
import type { Vm, VmPurpose } from '../../domain/vm.ts';
import { comingTemplate, wayOf } from './forks.ts';
import { holdingBack } from './held.ts';
import type { Room } from './room.ts';
import { foundAs, seenOf } from './seen.ts';
import type { PlanBuilder } from './step.ts';
import { diskOf, findVm, isUsable, type World } from './world.ts';

/** What a pass hands from rule to rule: the world, the plan so far, the room left and warm VMs not yet given away. */
export interface Pass {
  world: World;
  to: PlanBuilder;
  room: Room;
  given: Set<string>;
}

/** A task, or a replay. */
export type Needy = Pick<Task, 'id' | 'project' | 'disk'> & Partial<Pick<Task, 'rewind'>>;

/**
 * The task's VM for a purpose when it is ready; otherwise asks for one (a warm one on the same disk first) or says what it
 * waits for, and returns null.
 */
export function needVm(pass: Pass, task: Needy, purpose: VmPurpose, ralph: string | null): Vm | null {
  const { world, to } = pass;
  const vm = findVm(world, task.id, purpose);
  if (vm !== null) {
    const seen = seenOf(world, vm);
    const held = holdingBack(world);
    if (vm.phase === 'ready' && (seen === 'running' || seen === 'unknown')) {
      if (held === null) return vm;
      to.wait(task.id, sayPressure(held));
      return null;
    }
    const is =
      vm.phase === 'ready'
        ? `was found ${foundAs(seen)}`
        : `is ${vm.phase}${vm.stage === null ? '' : ` (${vm.stage})`}`;
    to.wait(task.id, `waits for its ${purpose} VM rf-${vm.id}, which ${is}`);
    return null;
  }
  const origin = purpose === 'implementer' ? originOf(world, task) : null;
  if (origin !== null) {
    needCopy(pass, task, ralph, origin);
    return null;
  }
  const disk = diskOf(world, task.disk);
  if (disk === null || disk.phase !== 'ready') {
    to.wait(task.id, `waits for its disk: ${disk === null ? 'not asked for yet' : (disk.progress ?? disk.phase)}`);
    return null;
  }
  const warm = world.vms.find(
    (v) => v.purpose === 'warm' && isUsable(v) && v.disk === disk.key && !pass.given.has(v.id),
  );
  if (warm !== undefined) {
    pass.given.add(warm.id);
    to.step('request_vm', `vm:${warm.id}`, `${task.id} needs a ${purpose} VM and a warm one waits`, {
      purpose,
      project: task.project,
      task: task.id,
      ralph,
      disk: disk.key,
      prepares: null,
      warm: warm.id,
      way: warm.way,
    });
    return null;
  }
  const template = comingTemplate(world, disk);
  if (template !== null) {
    to.wait(task.id, `waits for rf-${template.id}, the template its ${purpose} VM is forked from (${template.phase})`);
    return null;
  }
  if (!pass.room.take(purpose)) {
    to.wait(task.id, pass.room.why);
    return null;
  }
  to.step('request_vm', `task:${task.id}`, `${task.id} needs a ${purpose} VM`, {
    purpose,
    project: task.project,
    task: task.id,
    ralph,
    disk: disk.key,
    prepares: null,
    warm: null,
    way: wayOf(world, disk),
  });
  return null;
}

/** The snapshot a task that was put back starts from again; one that was lost meanwhile is done without. */
function originOf({ snapshots }: World, { rewind }: Needy): Snapshot | null {
  const id = rewind?.snapshot ?? null;
  return snapshots.find((snapshot) => snapshot.id === id && snapshot.phase === 'ready') ?? null;
}

function needCopy({ to, room, world }: Pass, task: Needy, ralph: string | null, from: Snapshot): void {
  if (!room.take('implementer')) {
    to.wait(task.id, `waits for room: ${world.capacity} VMs fit on this host, one verifier's room is kept free`);
    return;
  }
  const { id: snapshot, vm, n, commit } = from;
  to.step('request_vm', `task:${task.id}`, `${task.id} goes back to a VM as ${sayOrigin(from)}`, {
    purpose: 'implementer',
    project: task.project,
    task: task.id,
    ralph,
    disk: from.disk,
    prepares: null,
    warm: null,
    way: 'boot',
    origin: { snapshot, vm, task: task.id, n, commit },
  });
}

/** True once the workspace folder holds the commit; otherwise asks for it. */
export function needWorkspace(
  pass: Pass,
  task: Pick<Needy, 'id' | 'project'> & { services?: readonly Service[] },
  vm: Vm,
  folder: string,
  commit: string,
): boolean {
  if (vm.seeded[folder] === commit) return true;
  pass.to.step('seed_workspace', `vm:${vm.id}`, `${task.id} starts from ${commit.slice(0, 10)} in rf-${vm.id}`, {
    vm: vm.id,
    project: task.project,
    commit,
    folder,
    services: task.services ?? servicesOf(pass.world, task.project),
  });
  return false;
}

function servicesOf({ projects }: World, name: string): readonly Service[] {
  return projects.find((project) => project.name === name)?.settings.services ?? [];
}
