import type { FleetConfig } from '../../domain/fleet.ts';

/** The demo: one implementer, one reviewer, small VMs, the scripted agent, no account; the rest as the user has it. */
export function demoConfig(base: FleetConfig): FleetConfig {
  return {
    ...base,
    vms: { ...base.vms, size: { cpus: 1, memoryMiB: 1024, diskGiB: 8 }, warm: 1 },
    roles: { implementer: 1, reviewer: 1 },
    image: { ...base.image, agents: [] },
    agent: { ...base.agent, cli: 'scripted', model: null },
    review: { required: true, allowNonInteractive: true },
  };
}
