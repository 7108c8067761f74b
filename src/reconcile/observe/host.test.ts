import { expect, it } from 'vitest';
import { createVirtualClock } from '../../../test/simulation/virtual-clock.ts';
import { aVm, config, now } from '../../../test/support/rows.ts';
import type { HostLook } from '../../domain/host.ts';
import { createHostWatch } from './host.ts';

function setup() {
  const clock = createVirtualClock(now);
  const state = { freeMiB: 90_000, memoryMiB: 90_000, isBlind: false };
  const host = async (): Promise<HostLook> => {
    if (state.isBlind) throw new Error('no /proc');
    const memory = { totalMiB: 90_000, availableMiB: state.memoryMiB, stalledPercent: 0 };
    return {
      cores: 2,
      memory,
      disks: [{ path: '/s', uses: ['state', 'vms'], freeMiB: state.freeMiB }],
      hasBallast: true,
    };
  };
  const pass = async (ms: number) => {
    clock.after(ms, () => {});
    await clock.step();
  };
  const watch = () => createHostWatch({ host, clock, config: () => config });
  return { state, pass, watch };
}

it('keeps since when the host is short, however short it gets; another shortage begins anew', async () => {
  const { state, pass, watch } = setup();
  const see = watch();
  expect((await see([]))?.pressure).toBe(null);
  await pass(1_000);
  state.freeMiB = 1500;
  expect((await see([]))?.pressure).toMatchObject({ of: 'disk', level: 'short', since: now + 1_000 });
  await pass(1_000);
  state.freeMiB = 100;
  expect((await see([]))?.pressure).toMatchObject({ of: 'disk', level: 'gone', since: now + 1_000 });
  state.freeMiB = 90_000;
  state.memoryMiB = 100;
  expect((await see([]))?.pressure).toMatchObject({ of: 'memory', since: now + 2_000 });
  state.memoryMiB = 90_000;
  expect((await see([]))?.pressure).toBe(null);
});

it('takes it from the VMs a daemon before it has frozen', async () => {
  const { state, watch } = setup();
  state.freeMiB = 1500;
  const frozen = [aVm({ phase: 'paused', since: now - 60_000 }), aVm({ id: '0000000b', since: now - 90_000 })];
  expect((await watch()(frozen))?.pressure?.since).toBe(now - 60_000);
});

it('knows nothing of a host that cannot be looked at', async () => {
  const { state, watch } = setup();
  state.isBlind = true;
  expect(await watch()([])).toBe(null);
});
