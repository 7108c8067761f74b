import { describe, expect, it } from 'vitest';
import { aDisk, aReplay, aRun, aTask, aVm, aWorld, base, head } from '../../../test/support/rows.ts';
import type { Replay } from '../../domain/replay.ts';
import { plan } from './plan.ts';
import type { World } from './world.ts';

const vm = aVm({ purpose: 'replay', task: 'rp-0000000a', ralph: null, seeded: { work: head } });
const run = {
  ...{ job: 'rp-0000000a-c0', variant: 'as-committed' as const, vm: vm.id, phase: 'running' as const },
  ...{ results: aRun().results, startedAt: 1, endedAt: null },
};

function steps(replay: Partial<Replay>, more: Partial<World> = {}) {
  const world = aWorld({ ralphs: [], config: noRalphs(), replays: [aReplay(replay)], ...more });
  return plan(world).steps.map(({ kind, data }) => ({ ...data, kind }));
}
const noRalphs = () => ({ ...aWorld().config, roles: { implementer: 0, reviewer: 0 } });
const asked = (job: string, state: 'running' | 'ended' | 'lost') => ({
  ...aWorld({ vms: [vm] }).observed,
  guests: new Map([[vm.id, { ok: true as const, jobs: new Map([[job, { state, streamBytes: 0 }]]) }]]),
});

describe('a replay', () => {
  it('is settled, gets a VM of its own, the commit, and its checks run, whatever the fleet is asked to be', () => {
    for (const desire of ['up', 'down', 'deleted'] as const) {
      expect(steps({ phase: 'wanted' }, { desire })).toEqual([{ kind: 'prepare_replay', replay: 'rp-0000000a' }]);
      expect(steps({}, { desire })).toMatchObject([{ kind: 'request_vm', purpose: 'replay', task: 'rp-0000000a' }]);
      const fresh = { ...vm, seeded: {} };
      expect(steps({}, { desire, vms: [fresh] })).toMatchObject([{ kind: 'seed_workspace', commit: head }]);
      expect(steps({}, { desire, vms: [vm] })).toEqual([
        { kind: 'start_replay', replay: 'rp-0000000a', vm: vm.id, variant: 'as-committed' },
      ]);
    }
  });

  it('never runs where anything else did', () => {
    for (const used of [
      { ...vm, touched: true },
      { ...vm, seeded: { work: base } },
    ])
      expect(steps({}, { vms: [used] })).toEqual([{ kind: 'release_vm', vm: vm.id }]);
  });

  it('waits for its checks, then takes what they came to', () => {
    expect(steps({ runs: [run] }, { vms: [vm], observed: asked(run.job, 'running') })).toEqual([]);
    const [end] = steps({ runs: [run] }, { vms: [vm], observed: asked(run.job, 'ended') });
    expect(end).toMatchObject({ kind: 'end_replay_run', job: run.job, lost: false });
    expect(steps({ runs: [run] }, { vms: [] })).toMatchObject([{ kind: 'end_replay_run', lost: true }]);
  });

  it('does the variant with the protected files put back only where that is another tree', () => {
    const runs = [{ ...run, phase: 'ended' as const }];
    const restored = { variant: 'restored' as const, results: [] };
    const recorded = (tested: string) => ({
      ...aReplay().recorded,
      runs: [...aReplay().recorded.runs, { ...restored, tested }],
    });
    expect(steps({ runs, recorded: recorded(head) }, { vms: [vm] })).toMatchObject([
      { kind: 'end_replay', phase: 'ended' },
    ]);
    expect(steps({ runs, recorded: recorded(base) }, { vms: [vm] })).toMatchObject([
      { kind: 'start_replay', variant: 'restored' },
    ]);
  });

  it('is given up after three VMs, or when its disk cannot be made', () => {
    expect(steps({ attempts: 3 })).toMatchObject([{ kind: 'end_replay', phase: 'failed' }]);
    const disks = [aDisk({ phase: 'failed', attempts: 3, failure: 'no network' })];
    expect(steps({}, { disks })).toMatchObject([{ kind: 'end_replay', reason: expect.stringContaining('no network') }]);
  });

  it('leaves the verifier’s room to tasks', () => {
    const full = { vms: [aVm()], tasks: [aTask({ phase: 'paused' })], capacity: 2 };
    expect(steps({}, full).filter((step) => step.kind === 'request_vm')).toEqual([]);
    expect(steps({}, { ...full, capacity: 3 })).toContainEqual(expect.objectContaining({ kind: 'request_vm' }));
  });

  it('gives back its VM, then all that was made for it', () => {
    const over = { phase: 'cancelled' as const };
    expect(steps(over, { vms: [vm] })).toEqual([{ kind: 'release_vm', vm: vm.id }]);
    expect(steps(over)).toEqual([{ kind: 'tidy_replay', replay: 'rp-0000000a' }]);
    const disk = aDisk({ key: 'd', kind: 'prepared', project: 'rp-0000000a', backing: 'image', phase: 'leaving' });
    expect(steps(over, { disks: [aDisk(), disk] })).toEqual([{ kind: 'drop_disk', disk: 'd' }]);
  });
});

describe('a disk that is to go', () => {
  const leaving = aDisk({ phase: 'leaving' });

  it('goes when nothing stands on it', () => {
    const at = (more: Partial<World>) => plan(aWorld({ disks: [leaving], ...more }));
    expect(at({}).steps).toMatchObject([{ kind: 'drop_disk', data: { disk: 'image' } }]);
    const drops = (more: Partial<World>) => at(more).steps.filter((step) => step.kind === 'drop_disk');
    expect(drops({ vms: [aVm({ purpose: 'warm', task: null })] })).toEqual([]);
    expect(drops({ disks: [leaving, aDisk({ key: 'd', kind: 'prepared', backing: 'image' })] })).toEqual([]);
  });
});
