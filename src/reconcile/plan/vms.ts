import { holdsRoom, type ReadinessStage, stageDeadlineMs, type Vm } from '../../domain/vm.ts';
import { planHold } from './hold.ts';
import { whyUnwanted } from './iterations.ts';
import type { Pass } from './need-vm.ts';
import { foundAs, isDead, isIncomplete, seenForMs, seenOf } from './seen.ts';
import { giveUpStart, planFork } from './templates.ts';
import { isForReplay, type VmSeen, type World } from './world.ts';

const createDeadlineMs = 180_000;
const redefineDeadlineMs = 180_000;
const silentGuestMs = 600_000;
/** A guest on a disk that is gone has only its work to give; one that does not answer will hardly do so again. */
const silentDisklessMs = 60_000;
/** Software emulation is about ten times slower. */
const emulationFactor = 10;
/** A fork that is late has its boot still before it. */
const emulatedForkFactor = 3;

/** Brings every VM to what its row wants. Nothing is decided while the driver cannot say what is there. */
export function planVms(pass: Pass): void {
  const { world, to } = pass;
  const { driver } = world.observed;
  if (!driver.ok) {
    if (world.vms.length > 0 || world.desire === 'up')
      to.wait('fleet', `the driver cannot say what runs: ${driver.reason}`);
    return;
  }
  const up = { count: world.vms.filter((vm) => holdsRoom(vm)).length };
  for (const vm of world.vms) {
    planVm(pass, vm, seenOf(world, vm), up);
  }
  const known = new Set(world.vms.map((vm) => vm.id));
  for (const id of world.observed.tunnels ?? []) {
    if (!known.has(id)) to.step('close_tunnel', `tunnel:${id}`, 'its VM is gone', { vm: id });
  }
  for (const id of driver.vms.keys()) {
    if (!known.has(id)) to.step('reclaim_vm', `vm:${id}`, 'it carries our mark but nothing asked for it', { vm: id });
  }
}

function planVm(pass: Pass, vm: Vm, seen: VmSeen | null, up: { count: number }): void {
  const { world, to } = pass;
  const key = `vm:${vm.id}`;
  const target = targetOf(world, vm);
  const hasOpenWork = holdsOpenWork(world, vm);
  if (vm.phase === 'deleting' || vm.phase === 'failed' || (target === 'gone' && !hasOpenWork)) {
    if (hasOpenWork) to.wait(vm.id, 'waits until its iteration is closed');
    else
      to.step('delete_vm', key, vm.phase === 'failed' ? `it failed: ${vm.failure ?? ''}` : 'nobody needs it', {
        vm: vm.id,
      });
    return;
  }
  switch (vm.phase) {
    case 'wanted':
    case 'preparing':
      planWanted(pass, vm);
      return;
    case 'starting':
      if (isIncomplete(seen)) planIncomplete(pass, vm, seen);
      else if (world.now - vm.since > createDeadlineMs)
        to.step('fail_vm', key, 'not started in time', {
          vm: vm.id,
          reason: 'the driver did not start it within 3 minutes',
        });
      else to.step('start_vm', key, 'it was created', { vm: vm.id });
      return;
    case 'identifying':
      planIdentifying(pass, vm, seen);
      return;
    case 'ready':
    case 'paused':
      planRunning(pass, vm, seen, target);
      return;
    case 'stopping':
      to.step('stop_vm', key, 'it is on its way down', { vm: vm.id });
      return;
    case 'stopped':
      if (isIncomplete(seen)) planIncomplete(pass, vm, seen);
      else if (!hasOpenWork && (target !== 'ready' || vm.purpose === 'setup')) return;
      else if (up.count >= pass.room.fits) to.wait(vm.id, pass.room.why);
      else {
        up.count++;
        to.step('start_vm', key, hasOpenWork ? 'its disk holds work to be saved' : 'the fleet is up again', {
          vm: vm.id,
        });
      }
      return;
    default:
      return;
  }
}

function planWanted(pass: Pass, vm: Vm): void {
  const { world, to } = pass;
  const isWaiting = vm.purpose === 'clone' && vm.phase === 'wanted';
  if (isWaiting && !mayClone(pass, vm)) return;
  if (!isWaiting && world.now - vm.since > createDeadlineMs)
    to.step('fail_vm', `vm:${vm.id}`, 'not created in time', {
      vm: vm.id,
      reason: 'the driver did not create it within 3 minutes',
    });
  else if (vm.way === 'fork') planFork(pass, vm);
  else to.step('create_vm', `vm:${vm.id}`, 'it is wanted', { vm: vm.id });
}

/** A person's copy waits for its snapshot and for room, as long as it takes. */
function mayClone({ world, to, room }: Pass, vm: Vm): boolean {
  const snapshot = world.snapshots.find(({ id }) => id === vm.origin?.snapshot);
  if (snapshot?.phase === 'wanted') to.wait(vm.id, `waits for the snapshot of rf-${snapshot.vm} that it is made of`);
  else if (snapshot?.phase !== 'ready') {
    const reason = `what it was to be a copy of could not be kept: ${snapshot?.failure ?? 'its snapshot is gone'}`;
    to.step('fail_vm', `vm:${vm.id}`, 'there is nothing to copy', { vm: vm.id, reason });
  } else if (world.desire !== 'up') to.wait(vm.id, 'the fleet is down; `ralph-fleet up` goes on with it');
  else if (room.take('clone')) return true;
  else to.wait(vm.id, `waits for room: ${world.capacity} VMs fit on this host, one verifier's room is kept free`);
  return false;
}

function planIdentifying(pass: Pass, vm: Vm, seen: VmSeen | null): void {
  const { world, to } = pass;
  const stage: ReadinessStage = vm.stage ?? 'process';
  if (isDead(seen) || seen === 'partial' || (seen === 'diskless' && !holdsOpenWork(world, vm))) {
    giveUpStart(pass, vm, 'it went down while starting', `the VM was found ${foundAs(seen)} at stage \`${stage}\``);
    return;
  }
  if (vm.way === 'fork' && vm.failure !== null) {
    giveUpStart(pass, vm, 'it could not be forked', vm.failure);
    return;
  }
  const isEmulated = world.observed.accel !== 'kvm' && world.observed.accel !== 'hvf';
  const factor = vm.way === 'fork' ? emulatedForkFactor : emulationFactor;
  const limit = stageDeadlineMs[stage] * (isEmulated ? factor : 1);
  if (world.now - vm.stageSince > limit) {
    const reason = `stage \`${stage}\` did not pass within ${Math.round(limit / 1000)} s`;
    giveUpStart(pass, vm, reason, reason);
    return;
  }
  if (seen === 'paused') planResume(pass, vm);
  else to.step('probe_vm', `vm:${vm.id}`, `stage ${stage}`, { vm: vm.id });
}

function planRunning(pass: Pass, vm: Vm, seen: VmSeen | null, target: 'ready' | 'stopped' | 'gone'): void {
  const { world, to } = pass;
  const hasOpenWork = holdsOpenWork(world, vm);
  if (isDead(seen) || seen === 'partial') {
    reviveOrFail(pass, vm, seen !== null, `the VM was found ${foundAs(seen)}`);
    return;
  }
  const guest = world.observed.guests.get(vm.id);
  const silentMs = guest === undefined || guest.ok ? 0 : world.now - guest.since;
  if (seen === 'diskless') {
    planDiskless(pass, vm, silentMs);
    return;
  }
  if (guest !== undefined && !guest.ok && silentMs > silentGuestMs) {
    reviveOrFail(pass, vm, true, `the guest did not answer for 10 minutes: ${guest.reason}`);
    return;
  }
  const isKept = target === 'ready' && !hasUnwantedWork(world, vm);
  if ((isKept || hasOpenWork) && planHold(pass, vm, isKept)) return;
  if (seen === 'paused' && seenForMs(world, vm) > silentGuestMs) {
    reviveOrFail(pass, vm, true, 'it was found paused and could not be resumed in 10 minutes');
    return;
  }
  if (target === 'ready' || hasOpenWork) {
    if (seen === 'paused') planResume(pass, vm);
    else if (target !== 'ready') to.wait(vm.id, 'goes down once its work is saved');
  } else to.step('stop_vm', `vm:${vm.id}`, 'the fleet goes down', { vm: vm.id });
}

function planDiskless(pass: Pass, vm: Vm, silentMs: number): void {
  const hasOpenWork = holdsOpenWork(pass.world, vm);
  if (hasOpenWork && planHold(pass, vm, false)) return;
  if (hasOpenWork && silentMs < silentDisklessMs)
    pass.to.wait(vm.id, 'its disk was removed; its work is saved while it still runs');
  else reviveOrFail(pass, vm, false, `the VM was found ${foundAs('diskless')}`);
}

/** What the fleet itself froze is `paused` in its row too. */
function planResume({ to }: Pass, vm: Vm): void {
  to.step('resume_vm', `vm:${vm.id}`, 'it was suspended from outside', { vm: vm.id });
}

/** Down already, and what it takes to start it was removed by hand. Its disk, if that is left, is defined again for its work. */
function planIncomplete({ world, to }: Pass, vm: Vm, seen: VmSeen | null): void {
  const isWorthIt = seen === 'partial' && vm.purpose === 'implementer' && holdsOpenWork(world, vm);
  if (isWorthIt && Math.min(seenForMs(world, vm), world.now - vm.since) < redefineDeadlineMs) {
    to.step('redefine_vm', `vm:${vm.id}`, 'it was undefined, and its disk holds work to be saved', { vm: vm.id });
    return;
  }
  const tried = isWorthIt ? ', and could not be defined again within 3 minutes' : '';
  const reason = `the VM was found ${foundAs(seen)}${tried}`;
  to.step('fail_vm', `vm:${vm.id}`, 'it is of no use any more', { vm: vm.id, reason });
}

/** A disk that may hold the only copy of work is not given up before it was started again once to save it. */
function reviveOrFail({ world, to }: Pass, vm: Vm, isThere: boolean, reason: string): void {
  const isWork = vm.purpose === 'clone' || (vm.purpose === 'implementer' && holdsOpenWork(world, vm));
  const worthIt = isThere && vm.failure === null && isWork;
  if (worthIt) to.step('revive_vm', `vm:${vm.id}`, 'its disk holds work to be saved', { vm: vm.id, reason });
  else to.step('fail_vm', `vm:${vm.id}`, 'it is of no use any more', { vm: vm.id, reason });
}

/** What the row wants, seen through what the fleet wants: on `down` only a VM with a workspace in use is worth keeping. */
function targetOf(world: World, vm: Vm): 'ready' | 'stopped' | 'gone' {
  if (vm.desired === 'gone') return 'gone';
  if (servesReplay(world, vm)) return 'ready';
  if (world.desire === 'deleted') return 'gone';
  if (world.desire === 'down') return vm.purpose === 'implementer' || vm.purpose === 'clone' ? 'stopped' : 'gone';
  return 'ready';
}

/** A replay needs no fleet that is up; what calls it off gives its VM back. */
function servesReplay(world: World, vm: Vm): boolean {
  return vm.purpose === 'replay' || (vm.prepares !== null && isForReplay(world, vm.prepares));
}

/** One of them is called off, and its work is saved before the VM may rest. */
function hasUnwantedWork(world: World, vm: Vm): boolean {
  const open = world.iterations.filter((it) => it.vm === vm.id && it.phase !== 'ended');
  return open.some((iteration) => whyUnwanted(world, iteration) !== null);
}

/** An iteration in it has not been ended by the controller yet. */
function holdsOpenWork(world: World, vm: Vm): boolean {
  return world.iterations.some((it) => it.vm === vm.id && it.phase !== 'ended');
}
