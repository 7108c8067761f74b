import { describe, expect, it } from 'vitest';
import { aRalph, aReview, aTask, aVm, aWorld, base, head, now } from '../../../test/support/rows.ts';
import type { CredentialLook } from '../../domain/credential.ts';
import { plan } from './plan.ts';
import type { World } from './world.ts';

const look: CredentialLook = {
  provider: 'anthropic',
  source: { from: 'claude-login', path: null },
  state: 'expired',
  kind: 'subscription',
  fingerprint: 'f',
  since: now - 60_000,
  why: 'the Claude login has expired',
  remedy: 'run `claude` once on this host',
};
const working = { base, head, disk: 'image', ralph: 'implementer-1' };
const implementer = aRalph({ task: 'T1', vm: '0000000a' });
const vm = aVm({ id: '0000000a', task: 'T1', seeded: { work: head } });

function see(world: World, state: CredentialLook['state'] | null): World {
  const credentials = state === null ? null : new Map([['claude', { ...look, state }]]);
  return { ...world, observed: { ...world.observed, credentials } };
}
const of = (world: World) => plan(world).steps.filter((step) => step.key === 'task:T1');
const waits = (world: World) =>
  plan(world)
    .waits.filter((wait) => wait.subject === 'T1')
    .map((wait) => wait.reason);
const said = 'the credential of anthropic is expired: the Claude login has expired; run `claude` once on this host';

describe('without a credential that the provider takes', () => {
  const tasks = [aTask({ ...working, agent: 'claude', phase: 'implementing' })];
  const world = aWorld({ tasks, ralphs: [implementer], vms: [vm], vmStates: { [vm.id]: 'running' } });

  it.each(['missing', 'expired', 'refused'] as const)(
    'a task is parked before an iteration is burnt on one that is %s',
    (state) => {
      expect(of(see(world, state))).toMatchObject([
        {
          kind: 'move_task',
          data: { to: 'blocked', reason: said.replace('expired', state), patch: { needs: 'credential' } },
        },
      ]);
    },
  );

  it('works on where it is there, and where it cannot be asked', () => {
    for (const state of ['present', null] as const)
      expect(of(see(world, state))).toMatchObject([{ kind: 'start_iteration' }]);
  });

  it('goes on for an agent that needs another one, or none', () => {
    const scripted = { ...world, tasks: [aTask({ ...working, agent: 'scripted', phase: 'implementing' })] };
    expect(of(see(scripted, 'missing'))).toMatchObject([{ kind: 'start_iteration' }]);
  });

  it('no task is claimed, and no review begun; each waits where it is', () => {
    const ready = aWorld({ tasks: [aTask({ agent: 'claude', phase: 'ready' })], ralphs: [aRalph()] });
    expect([of(see(ready, 'expired')), waits(see(ready, 'expired'))]).toEqual([[], [said]]);
    expect(of(see(ready, 'present'))).toMatchObject([{ kind: 'claim_task' }]);
    const reviewing = aWorld({
      tasks: [aTask({ ...working, ralph: null, agent: 'claude', phase: 'reviewing' })],
      ralphs: [aRalph({ name: 'reviewer-1', role: 'reviewer' })],
      reviews: [aReview({ commit: head, phase: 'requested' })],
    });
    expect([of(see(reviewing, 'expired')), waits(see(reviewing, 'expired'))]).toEqual([[], [said]]);
  });

  it('a parked task goes on by itself once it is there, and not before', () => {
    const parked = aWorld({
      tasks: [
        aTask({ ...working, ralph: null, agent: 'claude', phase: 'blocked', needs: 'credential', reason: 'why' }),
      ],
    });
    expect([of(see(parked, 'refused')), waits(see(parked, null))]).toEqual([[], ['why']]);
    expect(of(see(parked, 'present'))).toMatchObject([{ kind: 'move_task', data: { from: 'blocked', to: 'ready' } }]);
    const other = aWorld({ tasks: [aTask({ agent: 'claude', phase: 'blocked', reason: 'broken' })] });
    expect(of(see(other, 'present'))).toEqual([]);
  });

  it('a person is pinged once for all of them, and told what to do', () => {
    const parked = ['T1', 'T2'].map((id) =>
      aTask({ id, agent: 'claude', phase: 'blocked', needs: 'credential', reason: 'why' }),
    );
    const pings = plan(see(aWorld({ tasks: parked }), 'refused')).steps.flatMap((step) =>
      step.kind === 'ping' ? [step.data.item] : [],
    );
    expect(pings).toMatchObject([{ kind: 'mend', title: expect.stringContaining('anthropic'), why: look.remedy }]);
  });
});
