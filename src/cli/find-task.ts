import type { TaskRow } from '../contract/fleet-view.ts';
import { FleetError } from '../lib/errors.ts';
import { nearest } from '../lib/nearest.ts';
import type { Context } from './frame/command.ts';

/** A task by id (`T4`, also `t4` or `4`) or by a unique beginning of its title. */
export async function findTask(context: Context, typed: string): Promise<TaskRow> {
  const { items } = await context.client.call('tasks');
  const word = typed.trim();
  const id = /^\d+$/.test(word) ? `T${word}` : word.toUpperCase();
  const exact = items.find((task) => task.id === id);
  if (exact) return exact;
  const titled = word.length < 3 ? [] : items.filter((task) => task.title.toLowerCase().startsWith(word.toLowerCase()));
  if (titled.length === 1 && titled[0]) return titled[0];
  const near =
    titled.length > 1
      ? titled.slice(0, 3).map((task) => task.id)
      : nearest(
          id,
          items.map((task) => task.id),
        );
  throw new FleetError(
    'not_found',
    `There is no task \`${word.slice(0, 60)}\`${titled.length > 1 ? ' (several begin so)' : ''}.`,
    {
      remedy: near.length > 0 ? `Did you mean: ${near.join(', ')}?   ralph-fleet tasks` : 'ralph-fleet tasks',
    },
  );
}

/** A Ralph by name, or the only one there is. */
export async function findRalph(context: Context, typed: string | undefined): Promise<string> {
  const { items } = await context.client.call('ralphs');
  const names = items.map((ralph) => ralph.name);
  const [only] = names;
  if (typed === undefined && names.length === 1 && only !== undefined) return only;
  if (typed === undefined) {
    const remedy = names.length === 0 ? 'ralph-fleet up' : `Name one of: ${names.join(', ')}`;
    throw new FleetError('usage', names.length === 0 ? 'There is no Ralph yet.' : 'Which Ralph?', { remedy });
  }
  if (names.includes(typed)) return typed;
  const begun = names.filter((name) => name.startsWith(typed));
  if (begun.length === 1 && begun[0]) return begun[0];
  const near = nearest(typed, names);
  const list =
    near.length > 0 ? `Did you mean: ${near.join(', ')}?` : names.length > 0 ? `There are: ${names.join(', ')}.` : '';
  throw new FleetError('not_found', `There is no Ralph \`${typed.slice(0, 60)}\`.`, {
    remedy: `${list}   ralph-fleet ps`.trim(),
  });
}
