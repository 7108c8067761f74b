import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Vm, wantedVm } from '../../src/domain/vm.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import type { Control } from '../../src/reconcile/control.ts';
import type { Store } from '../../src/store/store.ts';
import { type BlankFleet, createBlankFleet } from '../support/blank-fleet.ts';
import { type BlankVms, createBlankVms } from '../support/blank-vms.ts';
import { createFaultyVirsh, type FaultyVirsh, type VirshFault, virshFaults } from '../support/faulty-virsh.ts';
import { until } from '../support/gateway-process.ts';
import { domainsOf, virsh } from '../support/leftovers.ts';

/**
 * The control plane with its real database over the real libvirt, and a `virsh` that misbehaves once in every command it is called with.
 */
const clock = createSystemClock();
const exec = createExec();
let vms: BlankVms;
let faulty: FaultyVirsh;
let fleet: BlankFleet;
let store: Store;
let control: Control;

beforeEach(async () => {
  vms = await createBlankVms();
  faulty = await createFaultyVirsh(join(vms.root, 'virsh'));
  fleet = createBlankFleet({ vms, clock, exec: faulty.exec });
  ({ store, control } = fleet);
});
afterEach(async () => {
  await fleet?.stop();
  await vms?.close();
});

const see = (what: string, ask: () => boolean | Promise<boolean>) => until(what, ask, 120_000);
const phaseOf = (id: string) => store.vms.get(id)?.phase;

/** A person's VM is asked for, is there, is suspended by hand, goes on, and is given back. */
async function live(id: string, way: Vm['way'], whatHappens: () => Promise<void> = async () => {}): Promise<Vm> {
  const { disk, size } = vms.spec(id);
  store.vms.insert({ ...wantedVm({ id, purpose: 'clone', disk, size, way }, clock.now()), phase: 'preparing' });
  control.runner.nudge();
  await see('ready', () => phaseOf(id) === 'ready');
  expect(await vms.state(id)).toBe('running');
  await whatHappens();
  await exec([...virsh, 'suspend', `rf-${id}`]);
  await see('resumed', async () => store.events.of(`rf-${id}`, 1)[0]?.kind === 'vm.resumed');
  expect(await vms.state(id)).toBe('running');
  const was = store.vms.mustGet(id);
  store.vms.update(id, { desired: 'gone' });
  await see('gone', () => phaseOf(id) === 'gone');
  return was;
}

async function isTemplateThere(): Promise<boolean> {
  return (await vms.driver().templates([vms.spec('00000000')])).length > 0;
}

/** Everything the fleet has, gone: no VM known to libvirt, no row of one. */
async function proveGone(): Promise<void> {
  store.setDesire('deleted');
  control.runner.nudge();
  await see('no VM is left', () => store.alive.vms.rows().length === 0);
  expect(await domainsOf(vms.root, 'all')).toEqual([]);
}

describe.each(Object.keys(virshFaults) as VirshFault[])('with a virsh that once in each command %s', (fault) => {
  test('a template is made, a VM is forked, goes on and goes', async () => {
    const all = ['list', 'version', 'capabilities', 'dumpxml', 'define', 'start', 'undefine'];
    for (const command of all) await faulty.arm(command, fault);
    control.runner.start();
    await see('a template', isTemplateThere);
    await see('its VM is gone', () => store.alive.vms.rows().length === 0);
    expect(await faulty.disarm()).toEqual([]);
    for (const command of ['list', 'dumpxml', 'define', 'resume', 'destroy', 'undefine'])
      await faulty.arm(command, fault);
    const { way } = await live('0000f04c', 'fork');
    expect(await faulty.disarm()).toEqual([]);
    expect(['fork', 'boot']).toContain(way);
    await proveGone();
  });

  test('a template that is not saved and a fork that is not restored are done without', async () => {
    await faulty.arm('save', fault);
    await faulty.arm('restore', fault);
    control.runner.start();
    const isOver = async () => store.disks.mustGet('blank').forkFailures > 0 || (await isTemplateThere());
    await see('the save is over', isOver);
    await see('its VM is gone', () => store.alive.vms.rows().length === 0);
    const wasSaved = await isTemplateThere();
    await live('0000f04d', 'fork');
    expect(await faulty.disarm()).toEqual(wasSaved ? [] : ['restore']);
    await proveGone();
  });
});
