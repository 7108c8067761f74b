import type { ImageVerified, LessonView, ProjectView } from '../../contract/actions.ts';
import type { DiskView, TaskRow, VmView } from '../../contract/fleet-view.ts';
import { stateLooks } from '../../domain/states.ts';
import { cell, clean } from './cell.ts';
import { bytes, plural, since, tokens, usd } from './figures.ts';
import { type Look, mark, paint, stateGlyph } from './look.ts';

export function renderTasks(tasks: readonly TaskRow[], look: Look): string[] {
  if (tasks.length === 0) return ['No tasks. Submit one:  ralph-fleet submit TASK.md'];
  const room = Math.max(30, look.columns - 3 - 6 - 19 - 9 - 7 - 7 - 6 - 3);
  const forTitle = Math.ceil(room / 2);
  const line = (cells: readonly string[]) => {
    const [id = '', title = '', phase = '', why = '', ...figures] = cells;
    const numbers = figures.map((text, i) => cell(text, [9, 7, 7, 6][i] ?? 6, 'right')).join('');
    return `${cell(id, 6)} ${cell(title, forTitle)} ${cell(phase, 18)} ${cell(why, room - forTitle)}${numbers}`;
  };
  const header = line(['TASK', 'TITLE', 'PHASE', 'WAITS FOR', 'SINCE', 'ITER', 'TOKENS', 'USD']);
  return [
    paint(look, 'dim', `   ${header}`),
    ...tasks.map((task) => {
      const why = task.waitsFor ?? task.reason ?? task.does ?? '';
      const iterations = `${task.iterations}/${task.iterationLimit}`;
      const spent = [tokens(task.spent.tokens), usd(task.spent.usd)];
      const cells = [task.id, task.title, task.phase, why, since(task.since, look.now), iterations, ...spent];
      return ` ${stateGlyph(look, task.state, task.phase)} ${line(cells)}`;
    }),
  ];
}

export function renderVms(vms: readonly VmView[], look: Look): string[] {
  if (vms.length === 0) return ['No VMs. They are made when there is work:  ralph-fleet up'];
  const line = (cells: readonly string[]) =>
    cells.map((text, i) => cell(text, [12, 12, 12, 13, 8, 5, 9, 8, 9][i] ?? 8)).join(' ');
  const rows = vms.map((vm) => {
    const phase = vm.stage === null || vm.phase === 'ready' ? vm.phase : `${vm.phase}`;
    const size = `${vm.cpus}x${vm.memoryMiB}`;
    const text = line([
      vm.name,
      vm.role,
      phase,
      vm.ralph ?? vm.task ?? '–',
      vm.driver,
      vm.way,
      size,
      since(vm.since, look.now),
      vm.diskBytes === null ? '' : bytes(vm.diskBytes),
    ]);
    const { count, bytes: kept } = vm.snapshots;
    const about = [
      ...(vm.origin === null ? [] : [`a copy of ${vm.origin}`]),
      ...(count === 0 ? [] : [`${plural(count, 'snapshot')}, ${bytes(kept)}`]),
    ];
    const waits = vm.waitsFor === null ? [] : [`  ${mark(look, 'wait')} ${cell(vm.waitsFor, look.columns - 4)}`];
    return [
      text,
      ...(about.length === 0 ? [] : [`  ${cell(about.join(' · '), look.columns - 2).trimEnd()}`]),
      ...waits,
      ...(vm.failure === null ? [] : [`  ${mark(look, 'fail')} ${cell(vm.failure, look.columns - 4)}`]),
    ];
  });
  return [
    paint(look, 'dim', line(['VM', 'FOR', 'PHASE', 'RALPH', 'DRIVER', 'WAY', 'CPU x MiB', 'SINCE', 'DISK'])),
    ...rows.flat(),
  ];
}

/** Agents' own words: shown whole, since a person decides on them. */
export function renderLessons(lessons: readonly LessonView[], project: string, look: Look): string[] {
  if (lessons.length === 0) return ['Agents have left no notes on this project.'];
  const rows = lessons.map((one) => {
    const from = one.scope === 'task' ? `${one.task} only` : one.task;
    const times = one.times > 1 ? `, said ${one.times} times` : '';
    const head = `${one.id}  ${cell(one.kind, 10)} ${clean(from)}${times}, ${since(one.at, look.now)}`;
    return [paint(look, 'dim', head), ...one.text.split('\n').map((line) => `  ${clean(line)}`)];
  });
  return [
    ...rows.flat(),
    '',
    `Agents wrote these, nobody checked them. Take one out:  ralph-fleet project forget ${clean(project)} ID`,
  ];
}

export function renderProjects(projects: readonly ProjectView[], look: Look): string[] {
  if (projects.length === 0) return ['No projects. Add one:  ralph-fleet project add PATH'];
  return projects.flatMap((project) => [
    `${paint(look, 'bold', cell(project.name, 20))} ${cell(project.path, 50)} ${cell(project.branch, 20)}`,
    `  checks  ${cell(project.settings.checks.map((check) => check.run).join(' · ') || 'none of its own', look.columns - 10)}`,
  ]);
}

export function renderImages(disks: readonly DiskView[], look: Look): string[] {
  if (disks.length === 0) return ['No images yet. Build one:  ralph-fleet image build'];
  return disks.flatMap((disk) => {
    const sign = mark(look, disk.phase === 'ready' ? 'ok' : disk.phase === 'failed' ? 'fail' : 'wait');
    const size = disk.sizeBytes === null ? '' : bytes(disk.sizeBytes);
    const head = `${sign} ${cell(disk.key.slice(0, 16), 16)} ${cell(disk.kind, 9)} ${cell(disk.project ?? '', 16)} ${cell(disk.phase, 9)}`;
    const what = disk.failure ?? disk.progress;
    const more = what === null ? [] : [`  ${cell(what, look.columns - 2)}`];
    return [
      `${head} ${cell(since(disk.since, look.now), 9, 'right')} ${cell(size, 9, 'right')}`,
      ...more,
      ...madeFrom(disk, look),
    ];
  });
}

function madeFrom({ recipe, usedBy }: DiskView, look: Look): string[] {
  const width = look.columns - 12;
  const used = usedBy.length === 0 ? 'nothing now' : usedBy.join(', ');
  if (recipe === null) return [`  used by   ${cell(used, width).trimEnd()}`];
  const packages = recipe.packages.length === 0 ? [] : [`packages ${recipe.packages.join(' ')}`];
  const what = [...packages, ...(recipe.run === null ? [] : [recipe.run])].join(', ');
  const inputs = recipe.inputs.length === 0 ? 'no inputs' : recipe.inputs.join(', ');
  const registries = recipe.registries.length === 0 ? '' : `, registries ${recipe.registries.join(', ')}`;
  return [
    `  made from ${cell(`${what} on image ${recipe.image}; inputs: ${inputs}${registries}`, width).trimEnd()}`,
    `  used by   ${cell(used, width).trimEnd()}`,
  ];
}

/** What `ralph-verify` found in a booted image. */
export function renderImageReport(report: ImageVerified, look: Look): string[] {
  const tools = Object.entries(report.tools).map(([name, version]) => `${name} ${version}`);
  const kept = report.ok ? 'keeps the guest contract' : 'breaks the guest contract';
  return [
    `${mark(look, report.ok ? 'ok' : 'fail')} ${cell(report.key, 16)} ${kept} (${report.contract}), after ${Math.round(report.ms / 1000)} s`,
    ...report.problems.map((problem) => `  ${cell(problem, look.columns - 2)}`),
    `  tools  ${cell(tools.join(' · '), look.columns - 9)}`,
  ];
}

/** The seven states, for `help states`: the same table every face draws from. */
export function renderStates(look: Look): string[] {
  return Object.entries(stateLooks).map(([state, one]) => {
    const glyph = stateGlyph(look, state as keyof typeof stateLooks);
    return `  ${glyph} ${cell(one.word, 11)} ${one.meaning}`;
  });
}
