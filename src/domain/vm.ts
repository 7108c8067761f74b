import type { Transitions } from './phase-table.ts';

/**
 * A VM's life:
 *
 *   wanted -> preparing -> starting -> identifying -> ready <-> paused
 *                 \____________\____________\_________/  |
 *                               v                        v
 *                            failed <--------------- stopping -> stopped -> starting
 *                               \___________ any ________|__________|
 *                                                        v
 *                                                    deleting -> gone
 *
 * A row exists before the driver is asked for anything (intent before effect). "unknown" is never stored: it is what an
 * observation says while the driver or the guest cannot be asked.
 */
export const vmPhases = [
  'wanted',
  'preparing',
  'starting',
  'identifying',
  'ready',
  'paused',
  'stopping',
  'stopped',
  'failed',
  'deleting',
  'gone',
] as const;
export type VmPhase = (typeof vmPhases)[number];

export const vmTransitions: Transitions<VmPhase> = {
  wanted: ['preparing', 'failed', 'deleting', 'gone'],
  preparing: ['starting', 'failed', 'deleting'],
  starting: ['identifying', 'failed', 'stopping', 'stopped', 'deleting'],
  identifying: ['ready', 'failed', 'stopping', 'stopped', 'deleting'],
  ready: ['paused', 'stopping', 'stopped', 'failed', 'deleting'],
  paused: ['ready', 'stopping', 'stopped', 'failed', 'deleting'],
  stopping: ['stopped', 'failed', 'deleting'],
  stopped: ['starting', 'failed', 'deleting'],
  failed: ['deleting'],
  deleting: ['gone'],
  gone: [],
};

/** What a VM is for. `warm` ones wait, booted and untouched, for any purpose on the same disk. */
export type VmPurpose = 'implementer' | 'reviewer' | 'verifier' | 'setup' | 'warm';

/** Named stages of getting ready, in order, each with a deadline of its own. */
export const readinessStages = ['process', 'guest-agent', 'host-key', 'ssh-login', 'identity', 'tools'] as const;
export type ReadinessStage = (typeof readinessStages)[number];

/** Milliseconds a stage may last; times ten under software emulation. */
export const stageDeadlineMs: Readonly<Record<ReadinessStage, number>> = {
  process: 15_000,
  'guest-agent': 60_000,
  'host-key': 20_000,
  'ssh-login': 20_000,
  identity: 20_000,
  tools: 20_000,
};

export interface VmSize {
  cpus: number;
  memoryMiB: number;
  diskGiB: number;
}

export interface Vm {
  /** 8 hexadecimal digits, never reused; the driver's name for it is `rf-<id>`. */
  id: string;
  purpose: VmPurpose;
  project: string | null;
  task: string | null;
  ralph: string | null;
  /** For `setup`: the key of the disk it prepares. */
  prepares: string | null;
  desired: 'ready' | 'stopped' | 'gone';
  phase: VmPhase;
  since: number;
  stage: ReadinessStage | null;
  stageSince: number;
  /** Key of the disk it starts from (an image or a prepared disk). */
  disk: string;
  size: VmSize;
  /** The guest's ssh host key, `ssh-ed25519 AAAA…`, read over the driver's trusted channel; null until read. */
  hostKey: string | null;
  failure: string | null;
  /** Which commit each workspace folder in it was seeded with. */
  seeded: Readonly<Record<string, string>>;
  /** True once something of a user (code, agent) ran in it. A clean VM is one where this is false. */
  touched: boolean;
}

export function vmName(id: string): string {
  return `rf-${id}`;
}

/** A VM that holds room on the host (memory promised). */
export function holdsRoom(vm: Vm): boolean {
  return vm.phase !== 'gone' && vm.phase !== 'stopped' && !(vm.phase === 'wanted' && vm.desired === 'gone');
}
