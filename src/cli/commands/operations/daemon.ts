import { askReady } from '../../../client/ensure-daemon.ts';
import { isMissing } from '../../../client/http.ts';
import { FleetError } from '../../../lib/errors.ts';
import type { CommandSpec, Context } from '../../frame/command.ts';
import { plural, since } from '../../render/figures.ts';

export const daemon: readonly CommandSpec[] = [
  {
    name: 'start',
    summary: 'Starts the daemon, unless it runs.',
    examples: ['', '--json'],
    run: async (context) => {
      await context.needDaemon();
      const ready = await askReady(context);
      context.print(ready, () => [`The daemon runs, pid ${ready?.pid ?? 'unknown'}.   ralph-fleet status`]);
      return 0;
    },
  },
  {
    name: 'stop',
    summary: 'Ends the daemon. VMs, Ralphs and the gateway go on; the next start picks them up.',
    examples: ['', '--json'],
    run: async (context) => {
      const pid = await stop(context);
      context.print({ pid }, () => [
        `The daemon (pid ${pid}) has ended. Ralphs go on in their VMs.   ralph-fleet daemon start`,
      ]);
      return 0;
    },
  },
  {
    name: 'upgrade',
    summary: 'Puts this program in the place of the daemon and the gateway that run. No call is cut off.',
    examples: ['', '--json'],
    run: async (context) => {
      if ((await askReady(context)) !== null) await stop(context);
      await context.needDaemon();
      const [ready, gateway] = [await askReady(context), await context.client.call('gatewayUpgrade')];
      const before = gateway.leaving.map(
        ({ pid, openCalls }) =>
          `The gateway before it (pid ${pid}) ends with what it has begun: ${plural(openCalls, 'call')} open.`,
      );
      context.print({ daemon: ready, gateway }, () => [
        `The daemon is version ${ready?.version ?? 'unknown'}, pid ${ready?.pid ?? 'unknown'}.`,
        `The gateway is version ${gateway.version}, pid ${gateway.pid}.`,
        ...before,
      ]);
      return 0;
    },
  },
  {
    name: 'status',
    summary: 'Says whether the daemon runs, since when, and which version. Exit 5 when it does not.',
    examples: ['', '--json'],
    run: async (context) => {
      const ready = await askReady(context);
      if (ready === null) return refuseAway(context);
      context.print(ready, (look) => [
        `pid ${ready.pid}, version ${ready.version}, for ${since(ready.since, look.now)}: ${ready.ready ? 'ready' : ready.stage}`,
        `log ${context.paths.daemonLog}`,
      ]);
      return 0;
    },
  },
];

/** Resolves with the pid it had, when it has ended. */
async function stop(context: Context): Promise<number> {
  const { pid } = await context.client.call('daemonStop');
  for (let tries = 0; tries < 300 && (await askReady(context)) !== null; tries++)
    await context.clock.sleep(100, context.signal);
  if ((await askReady(context)) === null) return pid;
  throw new FleetError('daemon_unavailable', `The daemon (pid ${pid}) was asked to end and still answers after 30 s.`, {
    remedy: `less ${context.paths.daemonLog}`,
  });
}

async function refuseAway(context: Context): Promise<never> {
  const log = context.paths.daemonLog;
  try {
    await context.client.call('healthz', { idleMs: 5000 });
  } catch (error) {
    if (!isMissing(error)) {
      throw new FleetError(
        'daemon_unavailable',
        'Something holds the daemon’s socket and does not answer as it should.',
        {
          remedy: `less ${log}   or look who it is:  cat ${context.paths.daemonLock}.pid`,
          cause: error,
        },
      );
    }
  }
  throw new FleetError('daemon_unavailable', 'The daemon does not run.', {
    remedy: `ralph-fleet daemon start   (its log: ${log})`,
  });
}
