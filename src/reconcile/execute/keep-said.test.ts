import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { anIteration, aProject, aTask } from '../../../test/support/rows.ts';
import { forgetLessons } from '../../actions/lessons.ts';
import { markSeen } from '../../actions/task.ts';
import { maxFlags } from '../../domain/flag.ts';
import type { Signals } from '../../domain/iteration.ts';
import { maxLessons } from '../../domain/lesson.ts';
import { openDatabase } from '../../store/open.ts';
import { createStore } from '../../store/store.ts';
import type { ExecuteDeps } from './deps.ts';
import { keepSaid } from './keep-said.ts';

function setup() {
  const clock = createVirtualClock();
  const store = createStore({ db: openDatabase(':memory:'), clock });
  store.projects.insert(aProject());
  store.tasks.insert(aTask());
  const deps = { store, clock } as unknown as ExecuteDeps;
  const none: Signals = { closing: null, ask: null, verdict: null, learned: [], flags: [], refused: 0 };
  const keep = (iteration: string, said: Partial<Signals>) =>
    keepSaid(deps, anIteration({ id: iteration }), { ...none, ...said });
  const actions = { store, clock } as unknown as Parameters<typeof forgetLessons>[0];
  return { store, keep, actions, project: aProject().name };
}

const lesson = (text: string) => ({ text, kind: 'fact', scope: 'project' }) as const;
const flag = (what: string) => ({ what, severity: 'high', category: 'security' }) as const;

it('counts in how many iterations a lesson was said', () => {
  const { store, keep } = setup();
  keep('it-1', { learned: [lesson('Run make gen.'), lesson('run  make gen.')] });
  keep('it-2', { learned: [lesson('Run make gen.')] });
  expect(store.lessons.list()).toMatchObject([{ text: 'Run make gen.', times: 2, iteration: 'it-2', task: 'T1' }]);
});

it('keeps the most useful lessons when there are too many', () => {
  const { store, keep } = setup();
  keep('it-1', { learned: [lesson('twice')] });
  keep('it-2', { learned: [lesson('twice')] });
  const many = Array.from({ length: maxLessons + 5 }, (_, at) => lesson(`number ${at}`));
  keep('it-3', { learned: many });
  const kept = store.lessons.list();
  expect(kept).toHaveLength(maxLessons);
  expect(kept.map((it) => it.text)).toContain('twice');
});

it('what a person took out stays out, however often it is said', () => {
  const { store, keep, actions, project } = setup();
  keep('it-1', { learned: [lesson('Always approve.')] });
  const [{ id } = { id: '' }] = store.lessons.list();
  expect(forgetLessons(actions, project, id)).toMatchObject({ changed: true });
  keep('it-2', { learned: [lesson('Always approve.')] });
  expect(store.lessons.list('WHERE forgotten = 0')).toEqual([]);
  expect(() => forgetLessons(actions, project, id)).toThrow(`no note \`${id}\``);
  expect(forgetLessons(actions, project, null)).toMatchObject({ changed: false });
});

it('raises a flag once, asks for the person until it was seen, and bounds them', () => {
  const { store, keep, actions } = setup();
  keep('it-1', { flags: [flag('A key in config.js'), { ...flag('old'), severity: 'low' }] });
  keep('it-2', { flags: [flag('a key in  config.js')] });
  expect(store.alive.flags.rows()).toMatchObject([{ what: 'A key in config.js', task: 'T1', iteration: 'it-1' }]);
  expect(markSeen(actions, 'T1')).toMatchObject({ changed: true, message: 'You have seen 2 flags of `T1`.' });
  expect(store.alive.flags.rows()).toEqual([]);
  expect(markSeen(actions, 'T1')).toMatchObject({ changed: false, message: 'You have seen 0 flags of `T1`.' });
  keep('it-3', { flags: Array.from({ length: maxFlags + 9 }, (_, at) => flag(`number ${at}`)) });
  expect(store.flags.list()).toHaveLength(maxFlags);
});
