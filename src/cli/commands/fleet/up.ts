import type { FleetView, TaskRow } from '../../../contract/fleet-view.ts';
import type { FleetConfig } from '../../../domain/fleet.ts';
import { needsPerson } from '../../../domain/inbox-item.ts';
import { FleetError } from '../../../lib/errors.ts';
import { followFleet } from '../../follow.ts';
import type { Context } from '../../frame/command.ts';
import { type CommandSpec, flag, text } from '../../frame/command.ts';
import { busyWith, isSettled } from '../../progress/moving-line.ts';
import { renderPreflight, renderVerdict } from '../../progress/preflight-lines.ts';
import { createProgress, type Progress } from '../../progress/progress.ts';
import { cell } from '../../render/cell.ts';
import { plural, stopwatch } from '../../render/figures.ts';
import { join } from '../../render/look.ts';
import { wantedConfig } from '../../wanted-config.ts';

export const up: CommandSpec = {
  name: 'up',
  summary: 'Checks the machine, then starts the fleet: image, daemon, VMs, Ralphs. Running it again is harmless.',
  options: [
    {
      flags: '--demo',
      about: 'a bundled sample project and a scripted agent: no account, nothing of yours is touched',
    },
    { flags: '--driver <name>', about: 'instead of the one in fleet.yaml' },
    { flags: '--no-attach', about: 'make no tmux session' },
    { flags: '--no-wait', about: 'return as soon as the daemon has been told' },
  ],
  examples: ['--demo', '', '--driver libvirt --no-attach'],
  readsConfig: true,
  run: async (context, input) => {
    const demo = flag(input, 'demo');
    const { config, warnings } = await wantedConfig(context, { demo, driver: text(input, 'driver') });
    for (const warning of warnings) context.note(warning);
    const progress = createProgress({ ...context, json: context.globals.json });
    const began = context.clock.now();
    try {
      if (!(await preflight(context, progress, { demo, config }))) return 4;
      progress.moving('daemon: starting');
      await context.needDaemon();
      progress.say('daemon', 'ok', context.clock.now() - began);
      const askedAt = context.clock.now();
      const told = await context.client.call('fleetUp', { body: { config, demo } });
      if (input.options['wait'] === false) {
        progress.end();
        context.print(told, () => [told.message, 'See it:  ralph-fleet status --watch']);
        return 0;
      }
      return await follow(context, progress, { demo, askedAt, began, attach: input.options['attach'] !== false });
    } finally {
      progress.end();
    }
  },
};

async function preflight(
  context: Context,
  progress: Progress,
  wanted: { demo: boolean; config: FleetConfig },
): Promise<boolean> {
  if (context.preflight === null) return true;
  progress.moving('preflight: looking, nothing is changed');
  const result = await context.preflight(wanted);
  if (context.globals.json) {
    for (const check of result.checks) progress.say(`preflight ${check.id}`, check.state, check.ms);
    if (!result.ready) {
      throw new FleetError('refused', renderVerdict(result), {
        remedy: result.checks
          .flatMap((check) => (check.state === 'fail' && check.remedy ? [check.remedy] : []))
          .join('\n'),
      });
    }
    return true;
  }
  progress.say('Preflight (nothing has been changed)');
  const look = { ...context.look(), colour: context.look().colour && context.io.errTty };
  progress.block(join(look, renderPreflight(result, look)));
  if (!result.ready) progress.end();
  if (!result.ready) context.note(`\n${renderVerdict(result)}`);
  return result.ready;
}

interface Following {
  demo: boolean;
  askedAt: number;
  began: number;
  attach: boolean;
}

async function follow(context: Context, progress: Progress, how: Following): Promise<number> {
  const windows = how.attach ? await import('../../terminal/windows.ts') : null;
  const lost = () => progress.say('the daemon does not answer; waiting for it', 'warn');
  for await (const { view, events } of followFleet(context.client, context.clock, context.signal, lost)) {
    for (const event of events) progress.say(event.text);
    progress.moving(busyWith(view, context.clock.now()));
    if (windows)
      await windows
        .keepWindows(
          context,
          view.ralphs.map((ralph) => ralph.name),
        )
        .catch(() => {});
    const end = how.demo ? demoEnd(view) : isSettled(view, how.askedAt) ? 'ready' : null;
    if (end === null) continue;
    progress.end();
    return finish(context, view, end, context.clock.now() - how.began);
  }
  progress.end();
  context.note('\nThe fleet goes on without this command.');
  context.note('  see it   ralph-fleet status --watch\n  stop it  ralph-fleet down      (saves the work first)');
  return 130;
}

type End = 'ready' | { task: TaskRow };

/** The demo's walk ends at the ping, or where a person must mend something. */
function demoEnd(view: FleetView): End | null {
  const asked = view.inbox.find((item) => needsPerson(item) && item.subject.task !== null);
  const task = view.tasks.find((one) => one.id === asked?.subject.task);
  if (task) return { task };
  const tasks = view.tasks.filter((one) => one.state === 'ended');
  return tasks.length > 0 && tasks.length === view.tasks.length ? 'ready' : null;
}

function finish(context: Context, view: FleetView, end: End, ms: number): number {
  const watch = view.ralphs[0]?.name ?? '';
  const next = [
    hinted(`  watch     ralph-fleet attach ${watch}`, '(read-only, leave with ctrl-b d)'),
    '  see all   ralph-fleet status --watch',
    hinted('  stop      ralph-fleet down', '(saves the work first)'),
  ];
  if (end === 'ready') {
    const asking = view.inbox.filter(needsPerson).length;
    const needs = asking === 0 ? 'nothing needs you' : `${plural(asking, 'thing needs', 'things need')} you`;
    const submit = view.tasks.length === 0 ? ['  begin     ralph-fleet submit TASK.md'] : [];
    const working = plural(view.ralphs.filter((ralph) => ralph.phase === 'working').length, 'Ralph');
    context.print(view, () => [`Ready after ${stopwatch(ms)}. ${working} working; ${needs}.`, ...submit, ...next]);
    return 0;
  }
  const { task } = end;
  const isApproval = task.phase === 'awaiting_approval';
  const item = view.inbox.find((one) => one.subject.task === task.id);
  const head = isApproval
    ? `\x07${task.id} awaits your approval after ${stopwatch(ms)}: ${cell(task.title, 60).trimEnd()}`
    : `${task.id} needs you (${task.phase}) after ${stopwatch(ms)}: ${cell(item?.why ?? task.reason ?? task.title, 80).trimEnd()}`;
  const own = isApproval
    ? [
        `  look      ralph-fleet evidence ${task.id}   or   ralph-fleet diff ${task.id}`,
        `  approve   ralph-fleet approve ${task.id}`,
        `  reject    ralph-fleet reject ${task.id} -m "what is to be different"`,
      ]
    : [`  act       ${item?.link.cli ?? `ralph-fleet why ${task.id}`}`];
  context.print(view, () => [context.io.outTty ? head : head.replace('\x07', ''), ...own, ...next]);
  return isApproval ? 0 : 1;
}

function hinted(command: string, hint: string): string {
  return `${command.padEnd(47)} ${hint}`;
}
