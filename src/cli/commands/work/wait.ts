import { shownStates } from '../../../domain/states.ts';
import { isEnded, taskPhases } from '../../../domain/task.ts';
import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import { findTask } from '../../find-task.ts';
import { followFleet } from '../../follow.ts';
import { type CommandSpec, text } from '../../frame/command.ts';
import { renderTasks } from '../../render/lists.ts';

export const wait: CommandSpec = {
  name: 'wait',
  summary: 'Waits until a task gets to a phase or state. Exit 124 when it did not in time, 4 when it ended elsewhere.',
  args: [{ syntax: '<task>', about: 'id or the beginning of its title' }],
  options: [
    { flags: '--for <phases>', about: 'phases or states, separated by commas; default awaiting_approval,ended' },
    { flags: '--timeout <time>', about: 'such as 90s, 10m, 1h; default: for ever' },
  ],
  examples: ['T41', 'T41 --for merged --timeout 1h'],
  run: async (context, input) => {
    const wanted = (text(input, 'for') ?? 'awaiting_approval,ended').split(',').map(checkTarget);
    const timeoutMs = parseTime(text(input, 'timeout'));
    await context.needDaemon();
    const { id } = await findTask(context, input.args[0] ?? '');
    const late = new AbortController();
    const stop = AbortSignal.any([late.signal, context.signal]);
    if (timeoutMs !== null)
      context.clock.sleep(timeoutMs, stop).then(
        () => late.abort(),
        () => {},
      );
    try {
      for await (const { view } of followFleet(context.client, context.clock, stop)) {
        const task = view.tasks.find((one) => one.id === id);
        if (!task) throw new FleetError('not_found', `The task \`${id}\` is no longer there.`);
        if (wanted.includes(task.phase) || wanted.includes(task.state)) {
          context.print(task, (look) => renderTasks([task], look));
          return 0;
        }
        if (isEnded(task.phase) && task.phase !== 'failed') {
          throw new FleetError('refused', `\`${id}\` is \`${task.phase}\` and will not get to ${wanted.join(', ')}.`);
        }
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    }
    if (context.signal.aborted) return 130;
    context.note(`${id} did not get to ${wanted.join(', ')} in time.   ralph-fleet why ${id}`);
    return 124;
  },
};

function checkTarget(word: string): string {
  const known = [...taskPhases, ...shownStates];
  if ((known as readonly string[]).includes(word)) return word;
  const near = nearest(word, known);
  throw new FleetError('usage', `\`${word.slice(0, 40)}\` is no phase or state of a task.`, {
    remedy: near.length > 0 ? `Did you mean: ${near.join(', ')}?` : 'ralph-fleet help states',
  });
}

function parseTime(given: string | null): number | null {
  if (given === null) return null;
  const found = /^(\d{1,9})(ms|s|m|h)$/.exec(given);
  const unit = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[found?.[2] ?? ''];
  if (!found || unit === undefined) {
    throw new FleetError('usage', `\`${given.slice(0, 40)}\` is no time.`, { remedy: 'Write it like 90s, 10m or 1h.' });
  }
  return Math.min(Number(found[1]) * unit, 2 ** 31 - 1);
}
