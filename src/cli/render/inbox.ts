import type { FleetView } from '../../contract/fleet-view.ts';
import { type InboxItem, needsPerson } from '../../domain/inbox-item.ts';
import { cell, clean } from './cell.ts';
import { plural, since, usd } from './figures.ts';
import { type Look, paint } from './look.ts';

const verbs = { approve: 'approve', answer: 'answer', mend: 'mend', 'decide-budget': 'budget', info: 'info' } as const;

/** NEEDS YOU: two lines an item, the second with the command to copy; what does not fit in `maxLines` is counted. */
export function renderInbox(view: FleetView, look: Look, maxLines: number): string[] {
  if (view.inbox.length === 0) return ['Nothing needs you.'];
  const fits = Math.max(1, Math.floor((maxLines - 1) / 2));
  const shown = view.inbox.length <= fits ? view.inbox : view.inbox.slice(0, Math.max(1, fits - 1));
  const needed = view.inbox.filter(needsPerson).length;
  const lines = [needed === 0 ? 'Nothing needs you.' : paint(look, 'bold', `NEEDS YOU ${needed}`)];
  for (const item of shown) lines.push(...itemLines(item, view, look));
  const left = view.inbox.length - shown.length;
  if (left > 0) lines.push(`             and ${plural(left, 'more', 'more')}: ralph-fleet status --json`);
  return lines;
}

function itemLines(item: InboxItem, view: FleetView, look: Look): string[] {
  const task = view.tasks.find(({ id }) => id === item.subject.task);
  const subject = [item.subject.task ?? item.subject.vm, item.title].filter((part) => part !== null).join(' ');
  const tail = cell(since(item.since, look.now), 9, 'right');
  const room = look.columns - 13 - tail.length - 2;
  const wide = Math.max(16, Math.floor(room * 0.52));
  const isLong = item.kind === 'answer' && clean(subject).length > wide;
  const what = isLong ? cell(subject, room + 1) : `${cell(subject, wide)} ${cell(item.why, room - wide)}`;
  const head = `  ${needsPerson(item) ? paint(look, 'yellow', '!') : ' '} ${paint(look, 'bold', cell(verbs[item.kind], 8))} ${what}`;
  const cost = task && item.kind === 'approve' ? `$${usd(task.spent.usd)}` : '';
  const command = cell(item.actions[0]?.command ?? item.link.cli, look.columns - 13 - 9);
  return [`${head} ${tail}`, `             ${command}${cell(cost, 9, 'right')}`];
}
