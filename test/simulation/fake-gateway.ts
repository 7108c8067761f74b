import type { GatewayPort, SettledCall } from '../../src/loop/ports.ts';
import type { Dice } from './random.ts';

/** A gateway in memory: every grant spends a little; a few calls are refused or limited. Outlives a crash of the daemon. */
export interface FakeGateway {
  port: GatewayPort;
  ledger: SettledCall[];
  openTunnels: Set<string>;
}

export function createFakeGateway(dice: Dice, now: () => number): FakeGateway {
  const ledger: SettledCall[] = [];
  const openTunnels = new Set<string>();
  const known = new Set<string>();
  const port: GatewayPort = {
    openTunnel: async (vm) => void openTunnels.add(vm.id),
    closeTunnel: async (id) => void openTunnels.delete(id),
    openRegistries: async (vm) => {
      if (!openTunnels.has(vm)) throw new Error(`registries for ${vm}, which has no tunnel`);
    },
    tunnels: async () => [...openTunnels],
    grant: async (grant) => {
      if (known.has(grant.iteration)) return;
      known.add(grant.iteration);
      const limited = dice.chance(0.05);
      const refused = dice.chance(0.03) ? 'usd' : null;
      ledger.push({
        seq: ledger.length + 1,
        task: grant.task,
        iteration: grant.iteration,
        tokens: 100,
        usd: 0.01,
        refused,
        retryAt: limited ? now() + 120_000 : null,
      });
    },
    revoke: async () => {},
    limitTask: async () => {},
    settlements: async (after, limit) => ledger.filter((call) => call.seq > after).slice(0, limit),
  };
  return { port, ledger, openTunnels };
}
