import { readFile } from 'node:fs/promises';
import { askReady } from '../../../client/ensure-daemon.ts';
import { FleetError } from '../../../lib/errors.ts';
import type { ServiceName } from '../../../stack/services.ts';
import type { Mode } from '../../../stack/state.ts';
import { type CommandSpec, type Context, flag, text } from '../../frame/command.ts';
import { createProgress } from '../../progress/progress.ts';
import { renderDown, renderStack, renderUp } from '../../render/stack.ts';
import { wantedConfig } from '../../wanted-config.ts';

const up: CommandSpec = {
  name: 'up',
  summary:
    'Starts Prometheus, Loki, Tempo and Grafana on this machine, with the fleet’s dashboards and alerts, and prints the links. What runs already is left alone.',
  options: [
    { flags: '--native', about: 'programs found on the PATH instead of containers' },
    { flags: '--images <file>', about: 'other images (a mirror of yours); same form as telemetry/images.json' },
  ],
  examples: ['', '--native', '--images images.json', '--json=grafana,ran'],
  readsConfig: true,
  run: async (context, input) => {
    const { readState, stackFolders } = await import('../../../stack/state.ts');
    const { isFreePort } = await import('../../../stack/ports.ts');
    const { stackUp } = await import('../../../stack/stack.ts');
    const { servesMetrics } = await import('../../../stack/questions.ts');
    const { config, warnings } = await wantedConfig(context, { demo: false, driver: null });
    for (const warning of warnings) context.note(warning);
    const folders = stackFolders(context.paths.telemetry);
    const mode = flag(input, 'native') ? 'native' : ((await readState(folders)).mode ?? 'containers');
    const runner = await open(context, mode, text(input, 'images'));
    const daemon = await askReady(context);
    const progress = createProgress({ ...context, json: context.globals.json });
    try {
      progress.say(runner.title, 'ok');
      const done = await stackUp(
        {
          folders,
          runner,
          isFree: isFreePort,
          metricsListen: config.metrics?.listen ?? null,
          isMetrics: (port) => servesMetrics(port, daemon?.pid ?? null),
          ...pick(context),
        },
        {
          done: (line, ms) => progress.say(line, 'ok', ms),
          warn: (line) => progress.say(line, 'warn'),
          moving: (line) => progress.moving(line),
        },
      );
      progress.end();
      context.print(done, (look) => renderUp(done, look));
      return 0;
    } finally {
      progress.end();
    }
  },
};

const status: CommandSpec = {
  name: 'status',
  summary: 'Shows what of it runs, where, and what it has. Exit 5 when something is down.',
  examples: ['', '--json=ok,services'],
  run: async (context) => {
    const { readState, stackFolders } = await import('../../../stack/state.ts');
    const { stackStatus } = await import('../../../stack/stack.ts');
    const folders = stackFolders(context.paths.telemetry);
    const { mode } = await readState(folders);
    const found = await stackStatus(folders, mode === null ? null : await open(context, mode, null));
    context.print(found, (look) => renderStack(found, look));
    return found.ok ? 0 : 5;
  },
};

const down: CommandSpec = {
  name: 'down',
  summary: 'Ends all of it. Its data stays for the next up; --purge removes that too, and asks.',
  options: [{ flags: '--purge', about: 'also removes all metrics, logs and traces kept, and the password' }],
  examples: ['', '--purge --yes'],
  run: async (context, input) => {
    const { readState, stackFolders } = await import('../../../stack/state.ts');
    const { stackDown } = await import('../../../stack/stack.ts');
    const folders = stackFolders(context.paths.telemetry);
    const purge = flag(input, 'purge');
    if (
      purge &&
      !(await context.confirm('Remove all metrics, logs and traces kept?', 'ralph-fleet telemetry down --purge --yes'))
    ) {
      context.note('Nothing was changed.');
      return 1;
    }
    // A stack that was ended is in nobody's hands: its data may be with either.
    const { mode } = await readState(folders);
    const modes: Mode[] = mode === null ? ['containers', 'native'] : [mode];
    const ended: ServiceName[] = [];
    for (const one of modes) {
      const runner = await open(context, one, null).catch((error: unknown) => {
        if (mode === null && one === 'containers') return null;
        throw error;
      });
      if (runner !== null) ended.push(...(await stackDown({ folders, runner }, purge)).ended);
    }
    context.print({ ended, purged: purge }, () => renderDown(ended, purge));
    return 0;
  },
};

const password: CommandSpec = {
  name: 'password',
  summary: 'Prints the password of Grafana’s user `admin`.',
  examples: ['', '--json'],
  run: async (context) => {
    const { stackFolders } = await import('../../../stack/state.ts');
    const file = stackFolders(context.paths.telemetry).password;
    const found = await readFile(file, 'utf8').catch(() => null);
    if (found === null) {
      throw new FleetError('not_found', 'There is no password yet: it is made with the stack.', {
        remedy: 'ralph-fleet telemetry up',
      });
    }
    context.print({ user: 'admin', password: found }, () => [found]);
    return 0;
  },
};

export const telemetry: readonly CommandSpec[] = [up, status, down, password];

async function open(context: Context, mode: Mode, images: string | null) {
  const { openRunner } = await import('../../../stack/open.ts');
  const { stackFolders } = await import('../../../stack/state.ts');
  const folders = stackFolders(context.paths.telemetry);
  return openRunner(mode, { folders, images, version: context.version(), env: context.env, ...pick(context) });
}

function pick({ clock, signal }: Context) {
  return { clock, signal };
}
