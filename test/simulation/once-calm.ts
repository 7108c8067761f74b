import { fleetDown, fleetUp } from '../../src/actions/fleet.ts';
import { config, fleetName } from './config.ts';
import type { SimWorld } from './simulate.ts';

/** What must go well when nothing else goes wrong: each is tried once, in some schedules. */
export interface OnceCalm {
  squeeze(): Promise<void>;
  leaveEarly(): Promise<void>;
  /** VMs there are, by the fleet's rows and on the host. */
  vmsLeft(): number;
}

const stepMs = 5_000;

export function createOnceCalm(world: SimWorld, nudge: () => void): OnceCalm {
  const { clock, dice, store } = world;
  const deps = { store, clock, changes: world.repository.changes, config: () => config };

  /** Whether it came to this within an hour. */
  async function comes(isSo: () => boolean): Promise<boolean> {
    for (let tries = 0; tries < 720; tries++) {
      if (isSo()) return true;
      nudge();
      await clock.sleep(stepMs);
    }
    return isSo();
  }

  /** The moment in which one is decided, and nothing of it is in a guest yet. */
  async function nextIteration(): Promise<void> {
    const late = new AbortController();
    const stop = store.events.onChange(() => {
      if (store.alive.iterations.rows().some((it) => it.phase === 'started')) late.abort('seen');
    });
    await clock.sleep(600_000, late.signal).catch(() => {});
    stop();
  }

  function atWork(): string[] {
    const running = store.alive.vms.rows().filter(({ id, purpose, phase }) => {
      if (purpose === 'warm' || purpose === 'template' || phase === 'stopped') return false;
      return world.hypervisor.vms.get(id)?.state === 'running';
    });
    return running.map(({ id }) => id);
  }

  function vmsLeft(): number {
    const made = [...world.hypervisor.vms.values()].filter((vm) => vm.fleet === fleetName);
    return store.alive.vms.rows().length + made.length;
  }

  return {
    vmsLeft,

    /** The disk fills: whatever works is frozen, and stays so until there is room; then there is ballast again. */
    async squeeze() {
      if (dice.chance(0.7)) return;
      fleetUp(deps);
      if (dice.chance(0.5)) await nextIteration();
      world.host.fillDisk();
      if (!(await comes(() => atWork().length === 0))) {
        world.violations.push(`${atWork()[0]} ran on for an hour with the disk full`);
        return;
      }
      await clock.sleep(dice.between(1_000, 1_200_000));
      if (atWork().length > 0) world.violations.push(`${atWork()[0]} was thawed with the disk full`);
      world.host.makeRoom();
      if (!(await comes(() => world.host.look().hasBallast))) world.violations.push('the ballast was not made again');
    },

    /** Whatever is under way, and whatever became of its VMs: `down --delete` ends. */
    async leaveEarly() {
      if (dice.chance(0.7)) return;
      if (dice.chance(0.5)) await nextIteration();
      fleetDown(deps, true);
      if (!(await comes(() => vmsLeft() === 0))) world.violations.push('`down --delete` has not ended in an hour');
    },
  };
}
