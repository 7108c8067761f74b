import { expect, it } from 'vitest';
import type { InboxItem } from '../domain/inbox-item.ts';
import { createSilentLog } from '../lib/log.ts';
import { createNotifier } from './notify.ts';

const item = (id: string): InboxItem => ({
  ...{ id, kind: 'mend', subject: { task: null, ralph: null, vm: null, project: null }, title: 't', why: 'w' },
  ...{ since: '2026-11-21T00:00:00.000Z', ageClass: 'fresh', actions: [], severity: 'soon' },
  link: { cli: 'ralph-fleet status', tui: null, web: null },
});

it('tells each thing once, however often it is asked to; what no channel took is told again', async () => {
  const sent: string[] = [];
  let isAway = true;
  const answer = async (_: unknown, init?: RequestInit) => {
    if (isAway) throw new TypeError('no route');
    sent.push(JSON.parse(String(init?.body)).id);
    return new Response('');
  };
  const notify = createNotifier({
    ...{ exec: () => Promise.reject(new Error('unused')), log: createSilentLog(), env: {}, onPing: () => {} },
    fleet: () => 'main',
    channels: () => [{ kind: 'webhook', url: 'http://127.0.0.1:1/' }],
    fetch: answer as typeof fetch,
  });
  await expect(notify(item('a'))).rejects.toThrow('No channel took the ping.');
  isAway = false;
  for (const id of ['a', 'a', 'b', 'a']) await notify(item(id));
  expect(sent).toEqual(['a', 'b']);
});
