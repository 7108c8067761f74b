import type { FleetView, TaskRow } from '../../contract/fleet-view.ts';
import { phasesOf } from '../../domain/states.ts';
import { cell, clean } from './cell.ts';
import { clockTime, gib, lasted, plural, since, tokens } from './figures.ts';
import { renderInbox } from './inbox.ts';
import { bar, type Look, mark, paint } from './look.ts';
import { renderRalphs } from './ralphs.ts';

/** The one screen: what needs you first, then who does what, then money, host and problems. */
export function renderStatus(view: FleetView, look: Look): string[] {
  const below = [...middle(view, look), '', ...renderFoot(view, look)];
  const room = look.rows - below.length - 1;
  return [...banner(view), ...renderInbox(view, look, room), '', ...below];
}

function middle(view: FleetView, look: Look): string[] {
  if (view.tasks.length === 0 && view.ralphs.length === 0) {
    return ['No tasks yet. Submit one:  ralph-fleet submit TASK.md   or see it work:  ralph-fleet up --demo'];
  }
  return [...renderRalphs(view, look), ...queueLine(view, look)];
}

function banner(view: FleetView): string[] {
  const { desired, paused } = view.fleet;
  if (paused) return ['The fleet is paused. Go on with:  ralph-fleet resume'];
  if (desired === 'up') return [];
  return [`The fleet is ${desired === 'down' ? 'down' : 'down, its VMs deleted'}. Start it with:  ralph-fleet up`];
}

function queueLine(view: FleetView, look: Look): string[] {
  const waiting = view.tasks.filter((task) => phasesOf('waiting').includes(task.phase) && task.ralph === null);
  const ready = waiting.filter((task) => task.phase === 'ready').length;
  const held = waiting.filter((task) => task.phase === 'waiting');
  const parts = [...heldBy(held), ...(ready > 0 ? [`${ready} ready`] : [])];
  const reviews = view.tasks.filter((task) => task.phase === 'awaiting_approval').length;
  const reason =
    waiting.length > 0 && ready > 0 ? (waiting.find((task) => task.phase === 'ready')?.waitsFor ?? null) : null;
  const limit = `review limit ${reviews} of ${view.limits.reviewsWaiting}`;
  const inside = [...parts, ...(reason === null ? [] : [clean(reason)])].join(', ');
  const text = `queued ${waiting.length} (${inside === '' ? '' : `${inside}; `}${limit})`;
  return [`   ${cell(text, look.columns - 3)}`];
}

function heldBy(held: readonly TaskRow[]): string[] {
  const first = held[0];
  if (first === undefined) return [];
  const dependency = first.dependsOn.at(0);
  const forWhat = dependency !== undefined && held.every((task) => task.dependsOn.includes(dependency));
  return [`${held.length} wait for ${forWhat ? clean(dependency) : 'other tasks'}`];
}

function renderFoot(view: FleetView, look: Look): string[] {
  const { limit, spent, window } = view.budget;
  const usage = (used: number, of: number) => `${bar(look, used / of)} ${Math.round((100 * used) / of)} %`;
  const reset = window?.resetsAt ? `, resets ${clockTime(window.resetsAt, look.timeZone).slice(0, 5)}` : '';
  const windowText = window ? `   window ${Math.round(window.usedRatio * 100)} %${reset}` : '';
  const budget = `Budget  ${tokens(limit.tokens)} tokens  ${usage(spent.tokens, limit.tokens)}   $${limit.usd}  ${usage(spent.usd, limit.usd)}`;
  const { memoryMiB, availableMiB, promisedMiB, diskFreeGiB } = view.host;
  const total = memoryMiB === null ? '' : ` of ${gib(memoryMiB)}`;
  const free = availableMiB === null ? '' : `, ${gib(availableMiB)} free`;
  const disk = diskFreeGiB === null ? 'disk unknown' : `disk ${Math.floor(diskFreeGiB)} GiB free`;
  const live = view.vms.filter((vm) => vm.phase !== 'gone');
  const forked = live.filter((vm) => vm.way === 'fork').length;
  const vms = `${plural(live.length, 'VM')}${forked > 0 ? `, ${forked} forked` : ''}`;
  const emulated = view.fleet.accel === 'tcg' ? '   software emulation' : '';
  const wall = view.fleet.wall !== null && view.fleet.wall !== 'device' ? `   wall ${view.fleet.wall}` : '';
  return [
    `${budget} per ${view.budget.per}${windowText}`,
    `Host    memory ${gib(promisedMiB)}${total} GiB promised${free}   ${disk}   ${vms}${emulated}${wall}`,
    ...(view.host.advice === null ? [] : [`Fits    ${clean(view.host.advice)}`]),
    ...renderProblems(view, look),
  ];
}

function renderProblems(view: FleetView, look: Look): string[] {
  const pass = view.passAt === null ? 'no pass yet' : `pass ${lasted(look.now - Date.parse(view.passAt))} ago`;
  const asOf = `as of ${clockTime(view.asOf, look.timeZone)}, ${pass}`;
  const head = `Problems ${view.problems.length === 0 ? 'none' : view.problems.length}`;
  const lines = view.problems.slice(0, 4).map((problem) => {
    const sign = mark(look, problem.severity === 'error' ? 'fail' : 'warn');
    return `  ${sign} ${cell(`${problem.what} (${since(problem.since, look.now)}): ${problem.remedy}`, look.columns - 4)}`;
  });
  const gap = ' '.repeat(Math.max(3, look.columns - head.length - asOf.length));
  return [`${head}${gap}${paint(look, 'dim', asOf)}`, ...lines];
}
