import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { aWorld } from '../../test/support/rows.ts';
import type { Control } from '../reconcile/control.ts';
import { createProblems } from './problems.ts';

type Runner = Pick<Control['runner'], 'failures' | 'passFailure' | 'lastPass'>;
type Seen = NonNullable<ReturnType<Runner['lastPass']>>;

function setup() {
  const clock = createVirtualClock();
  const world = aWorld();
  const state = {
    diskFreeGiB: 100 as number | null,
    driver: world.observed.driver,
    pass: null as ReturnType<Runner['passFailure']>,
    failures: [] as ReturnType<Runner['failures']>,
  };
  const seen = (): Seen => ({
    plan: { steps: [], waits: [] },
    world: { ...world, observed: { ...world.observed, driver: state.driver } },
    at: 0,
  });
  const runner: Runner = { failures: () => state.failures, passFailure: () => state.pass, lastPass: seen };
  const problems = createProblems({
    control: () => ({ runner }),
    host: () => ({ diskFreeGiB: state.diskFreeGiB }),
    clock,
    more: () => [],
  });
  return { clock, state, problems };
}

it('says nothing of a fleet that is well', () => {
  expect(setup().problems()).toEqual([]);
});

it('never shows a silent driver as an empty fleet; one that stays silent needs a person', () => {
  const { clock, state, problems } = setup();
  const since = clock.now();
  state.driver = { ok: false, reason: '`virsh list` did not answer.\n  systemctl start libvirtd\n  because: x', since };
  expect(problems()).toMatchObject([{ id: 'driver', since, severity: 'warning' }]);
  expect(problems()[0]?.what).toContain('`virsh list` did not answer. systemctl start libvirtd');
  state.driver = { ...state.driver, since: since - 60_000 };
  expect(problems()).toMatchObject([{ id: 'driver', severity: 'error' }]);
});

it('tells of a disk that fills, with a since that stays, and forgets it when there is room', () => {
  const { state, problems } = setup();
  state.diskFreeGiB = 1.5;
  const [first] = problems();
  expect(first).toMatchObject({ id: 'disk', severity: 'warning', what: expect.stringContaining('1.5 GiB free') });
  state.diskFreeGiB = 0;
  expect(problems()).toMatchObject([{ severity: 'error', since: first?.since, what: expect.stringContaining('full') }]);
  state.diskFreeGiB = null;
  expect(problems()).toEqual([]);
});

it('gives the remedy of what fails, and passes that fail as a whole', () => {
  const { state, problems } = setup();
  const step = { kind: 'claim_task', key: 'task:T1', reason: '', data: { task: 'T1', ralph: 'r' } } as const;
  const failure = { step, message: 'Cannot use `x`: 1 problem.\n  x:1:1 `a` is', remedy: 'Mend it', since: 5 };
  state.failures = [
    { ...failure, count: 2 },
    { ...failure, count: 3 },
  ];
  state.pass = { message: 'Cannot read or write: database or disk is full.', remedy: 'free some space', since: 7 };
  expect(problems()).toMatchObject([
    { id: 'pass', severity: 'error', remedy: 'free some space', since: 7 },
    { remedy: 'Mend it', what: expect.stringContaining('Cannot use `x`: 1 problem. x:1:1 `a` is') },
  ]);
});
