import type { ReplayView } from '../../../contract/replay.ts';
import type { Request } from '../../../contract/routes.ts';
import { FleetError, isFleetError } from '../../../lib/errors.ts';
import type { Context } from '../../frame/command.ts';
import { createProgress } from '../../progress/progress.ts';
import { renderReplay } from '../../render/replay.ts';

const lookMs = 1_000;
const longSilenceMs = 300_000;

/** Starts a replay and stays with it. 0: the same; 1: different. Called off with ctrl-C, its VM goes. */
export async function replay(context: Context, of: Request<'replayStart'>): Promise<number> {
  const begun = await context.client.call('replayStart', { body: of, idleMs: longSilenceMs });
  const progress = createProgress({ ...context, json: context.globals.json });
  let view: ReplayView;
  try {
    view = await follow(context, begun, (text) => progress.moving(text));
  } catch (error) {
    if (!context.signal.aborted) throw error;
    await context.client.call('replayCancel', { params: { id: begun.id } });
    context.note('\nCalled off; its VM is removed.');
    return 130;
  } finally {
    progress.end();
  }
  if (view.phase !== 'ended') {
    throw new FleetError('command_failed', `The replay came to no verdict: ${view.reason ?? view.phase}`);
  }
  context.print(view, (look) => renderReplay(view, look));
  return view.verdict === 'same' ? 0 : 1;
}

/** Until it is over. A daemon that is away for a moment is waited for: the replay is its own. */
async function follow(context: Context, begun: ReplayView, say: (text: string) => void): Promise<ReplayView> {
  const { client, clock, signal } = context;
  for (let view = begun; ; ) {
    if (view.does === null) return view;
    say(view.does);
    await clock.sleep(lookMs, signal);
    try {
      view = await client.call('replay', { params: { id: view.id }, signal });
    } catch (error) {
      if (!isFleetError(error, 'daemon_unavailable')) throw error;
      say('the daemon does not answer; waiting for it');
    }
  }
}
