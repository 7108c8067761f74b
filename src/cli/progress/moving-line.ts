import type { FleetView, VmView } from '../../contract/fleet-view.ts';
import { isEnded } from '../../domain/task.ts';
import { stagesOf } from '../../domain/vm.ts';
import { since } from '../render/figures.ts';

const shownVms = 3;

/** What the fleet is busy with right now, for the one line that moves: the step furthest from done comes first. */
export function busyWith(view: FleetView, now: number): string {
  const disk = view.disks.find((one) => one.phase === 'building' || one.phase === 'wanted');
  if (disk)
    return `${disk.kind === 'image' ? 'image' : `disk of ${disk.project}`}: ${disk.progress ?? disk.phase} (${since(disk.since, now)})`;
  const starting = view.vms.filter((vm) => ['wanted', 'preparing', 'starting', 'identifying'].includes(vm.phase));
  const active = view.tasks.filter((task) => !isEnded(task.phase));
  const parts = [
    ...active.slice(0, 2).map((task) => {
      const does = task.does ?? task.waitsFor;
      return `${task.id} ${task.phase}${does ? `, ${does}` : ''} (${since(task.since, now)})`;
    }),
    ...starting.slice(0, 2).map((vm) => {
      const stage =
        vm.stage === null
          ? ''
          : `, ${vm.stage} (stage ${stagesOf(vm).indexOf(vm.stage) + 1} of ${stagesOf(vm).length})`;
      return `${vm.ralph ?? vm.role} ${vm.phase}${stage} ${since(vm.since, now)}`;
    }),
  ];
  return parts.join('   ') || 'looking at what is there';
}

/** True when nothing is on its way to being ready. A pass must have ended after `askedAt`. */
export function isSettled(view: FleetView, askedAt: number): boolean {
  if (view.passAt === null || Date.parse(view.passAt) < askedAt) return false;
  const building = view.disks.some((disk) => disk.phase === 'building' || disk.phase === 'wanted');
  const starting = view.vms.some((vm) => ['wanted', 'preparing', 'starting', 'identifying'].includes(vm.phase));
  return !building && !starting;
}

/** What `down` still waits for, VM by VM. */
export function stillThere(vms: readonly VmView[], now: number): string {
  const shown = vms.slice(0, shownVms).map((vm) => {
    const why = vm.waitsFor === null ? '' : `, ${vm.waitsFor}`;
    return `${vm.name} is ${vm.phase}${why} (${since(vm.since, now)})`;
  });
  const more = vms.length > shownVms ? [`and ${vms.length - shownVms} more`] : [];
  return [...shown, ...more].join('   ');
}
