import type { Ralph } from '../domain/fleet.ts';
import type { Iteration } from '../domain/iteration.ts';
import type { Project } from '../domain/project.ts';
import { ralphPhase, ralphPhases } from '../domain/ralph-phase.ts';
import type { Task } from '../domain/task.ts';
import { holdsRoom, type Vm } from '../domain/vm.ts';
import type { Put } from './meters.ts';
import { combinations } from './meters.ts';
import { metrics } from './metrics.ts';

export interface WorkSeen {
  now: number;
  projects: readonly Project[];
  tasks: readonly Task[];
  ralphs: readonly Ralph[];
  /** Open ones are counted; others may be among them. */
  iterations: readonly Iteration[];
  vms: readonly Vm[];
  /** High and not seen. */
  flags: number;
}

/** What stands in the rows of what has not ended. */
export function fillWork(put: Put, seen: WorkSeen): void {
  const open = seen.iterations.filter(({ phase }) => phase !== 'ended');
  fillTasks(put, seen);
  fillRalphs(put, seen, new Map(open.map((it) => [it.ralph, it])));
  fillVms(put, seen);
  for (const role of ['implementer', 'reviewer']) {
    put.set('iterations_running', { role }, open.filter((it) => it.role === role).length);
  }
  put.set('flags_unseen', {}, seen.flags);
}

function fillTasks(put: Put, { tasks, projects, now }: WorkSeen): void {
  const { phase: phases } = metrics.tasks.labels;
  const count = counts(tasks, (task) => `${task.project} ${task.phase}`);
  for (const { name: project } of projects) {
    for (const phase of phases) put.set('tasks', { project, phase }, count.get(`${project} ${phase}`) ?? 0);
  }
  const oldest = new Map<string, number>();
  for (const { phase, since } of tasks) oldest.set(phase, Math.min(oldest.get(phase) ?? now, since));
  for (const phase of phases) put.set('task_oldest_seconds', { phase }, (now - (oldest.get(phase) ?? now)) / 1000);
}

function fillRalphs(put: Put, { ralphs, tasks }: WorkSeen, open: ReadonlyMap<string, Iteration>): void {
  const byId = new Map(tasks.map((task) => [task.id, task]));
  const count = new Map<string, number>();
  for (const { name, role, task: id } of ralphs) {
    const iteration = open.get(name);
    const phase = ralphPhase(id === null ? null : (byId.get(id) ?? null), iteration !== undefined);
    count.set(`${role} ${phase}`, (count.get(`${role} ${phase}`) ?? 0) + 1);
    put.set('ralph_phase_code', { ralph: name, role }, ralphPhases.indexOf(phase));
    if (iteration === undefined) continue;
    const { lastOutputAt, savedAt, startedAt } = iteration;
    put.set('iteration_last_output_timestamp_seconds', { ralph: name }, (lastOutputAt ?? startedAt) / 1000);
    if (role === 'implementer')
      put.set('unsaved_since_timestamp_seconds', { ralph: name }, (savedAt ?? startedAt) / 1000);
  }
  for (const each of combinations(metrics.ralphs.labels)) {
    const { role = '', phase = '' } = each;
    put.set('ralphs', { role, phase }, count.get(`${role} ${phase}`) ?? 0);
  }
}

const onTheWay: readonly Vm['phase'][] = ['wanted', 'preparing', 'starting', 'identifying'];

function fillVms(put: Put, { vms, now }: WorkSeen): void {
  const count = counts(vms, (vm) => `${vm.purpose} ${vm.phase}`);
  for (const each of combinations(metrics.vms.labels)) {
    const { purpose = '', phase = '' } = each;
    put.set('vms', { purpose, phase }, count.get(`${purpose} ${phase}`) ?? 0);
  }
  const late = vms.filter((vm) => vm.desired === 'ready' && onTheWay.includes(vm.phase));
  const oldest = late.reduce((least, vm) => Math.min(least, vm.since), now);
  put.set('vm_waiting_oldest_seconds', {}, (now - oldest) / 1000);
  const promised = vms.filter(holdsRoom).reduce((sum, vm) => sum + vm.size.memoryMiB, 0);
  put.set('host_memory_promised_bytes', {}, promised * 1024 * 1024);
}

function counts<T>(rows: readonly T[], keyOf: (row: T) => string): Map<string, number> {
  const found = new Map<string, number>();
  for (const row of rows) found.set(keyOf(row), (found.get(keyOf(row)) ?? 0) + 1);
  return found;
}
