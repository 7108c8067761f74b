import { describe, expect, it } from 'vitest';
import { aRalph, aRun, aTask, aVm, aWorld, base, head } from '../../../test/support/rows.ts';
import type { CheckRun } from '../../domain/check.ts';
import type { Vm } from '../../domain/vm.ts';
import { plan } from './plan.ts';

const task = aTask({ phase: 'verifying', base, head, disk: 'image', ralph: null });
const fail = { passed: false, exitCode: 1, timedOut: false, ms: 1, tail: 'boom' };
const verify = (more: Partial<CheckRun> = {}) =>
  aRun({
    id: 'ck-2',
    kind: 'verify',
    iteration: null,
    vm: '0000000b',
    phase: 'failed',
    results: [{ id: 'c', ...fail }],
    ...more,
  });
const clean = aVm({ id: '0000000c', purpose: 'verifier', ralph: null, seeded: { work: head } });

function steps(checkRuns: CheckRun[], vms: Vm[] = [clean]) {
  const world = aWorld({
    tasks: [task],
    vms,
    checkRuns,
    ralphs: [aRalph(), aRalph({ name: 'reviewer-1', role: 'reviewer' })],
  });
  return plan(world).steps.map(({ kind, data }) => ({ ...data, kind }));
}

describe('a check that fails in a clean VM though it passed in the loop on the same commit', () => {
  it('is run once more in another clean VM', () => {
    const used = aVm({ id: '0000000b', purpose: 'verifier', ralph: null, seeded: { work: head } });
    expect(steps([aRun(), verify()], [used])).toContainEqual({ kind: 'release_vm', vm: '0000000b' });
    expect(steps([aRun(), verify()])).toContainEqual(
      expect.objectContaining({ kind: 'start_checks', variant: 'as-committed', again: 'ck-2', vm: '0000000c' }),
    );
  });

  it('goes on when it passes then, and the failure stays where it was', () => {
    const second = verify({ id: 'ck-3', phase: 'passed', results: aRun().results, startedAt: verify().startedAt + 1 });
    expect(steps([aRun(), verify(), second])).toContainEqual(
      expect.objectContaining({ kind: 'start_checks', variant: 'restored' }),
    );
  });

  it('is sent back when it fails again, and its implementer is told that it is flaky', () => {
    const second = verify({ id: 'ck-3', startedAt: verify().startedAt + 1 });
    const [move] = steps([aRun(), verify(), second]).filter((step) => step.kind === 'move_task');
    expect(move).toMatchObject({ to: 'ready', reason: 'its checks fail in a clean VM' });
    const [note] = (move as unknown as { notes: { text: string }[] }).notes;
    expect(note?.text).toContain('check `c` is flaky: it passed 1 of 3 times on');
  });
});

describe('a check that fails in a clean VM', () => {
  it('is sent back at once where it never passed on that tree', () => {
    for (const before of [
      [],
      [aRun({ phase: 'failed', results: [{ id: 'c', ...fail }] })],
      [aRun({ commit: base, tested: base })],
    ])
      expect(steps([...before, verify()])).toContainEqual(expect.objectContaining({ kind: 'move_task', to: 'ready' }));
  });

  it('is sent back at once when it fails with the protected files put back: that is another tree', () => {
    const passed = verify({ id: 'ck-1', phase: 'passed', results: aRun().results });
    const restored = verify({ variant: 'restored', tested: 'f'.repeat(40) });
    expect(steps([aRun(), passed, restored])).toContainEqual(
      expect.objectContaining({ kind: 'move_task', to: 'ready' }),
    );
  });
});
