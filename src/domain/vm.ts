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
 * One that is forked goes from preparing to identifying in one step; one whose fork comes to nothing goes back to preparing, and boots.
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
  starting: ['preparing', 'identifying', 'failed', 'stopping', 'stopped', 'deleting'],
  identifying: ['preparing', 'ready', 'failed', 'stopping', 'stopped', 'deleting'],
  ready: ['paused', 'stopping', 'stopped', 'failed', 'deleting'],
  paused: ['ready', 'stopping', 'stopped', 'failed', 'deleting'],
  stopping: ['stopped', 'failed', 'deleting'],
  stopped: ['starting', 'failed', 'deleting'],
  failed: ['deleting'],
  deleting: ['gone'],
  gone: [],
};

/**
 * What a VM is for. `warm` ones wait, booted and untouched, for any purpose on the same disk; `template` ones are saved, for others to
 * be forked from. A `clone` is a person's: a copy to try something in by hand.
 */
export const vmPurposes = [
  'implementer',
  'reviewer',
  'verifier',
  'replay',
  'setup',
  'warm',
  'template',
  'clone',
] as const;
export type VmPurpose = (typeof vmPurposes)[number];

/** How a VM came to run, the last time it was started. */
export type VmWay = 'boot' | 'fork';

/** Named stages of getting ready, in order, each with a deadline of its own. */
export const readinessStages = ['process', 'guest-agent', 'host-key', 'ssh-login', 'identity', 'tools'] as const;
export type ReadinessStage = (typeof readinessStages)[number];

/** A fork has its identity before anybody logs in; its tools were looked at before it was saved. */
const forkStages: readonly ReadinessStage[] = ['process', 'identity', 'ssh-login'];

export function stagesOf(vm: Pick<Vm, 'way'>): readonly ReadinessStage[] {
  return vm.way === 'fork' ? forkStages : readinessStages;
}

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
  /** For `replay`: the replay. */
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
  way: VmWay;
  /** What must be its own besides the host key; null until the guest has told. */
  identity: VmIdentity | null;
  /** Which commit each workspace folder in it was seeded with. */
  seeded: Readonly<Record<string, string>>;
  /** True once something of a user (code, agent) ran in it. A clean VM is one where this is false. */
  touched: boolean;
  /** What its disk is a copy of; null for one that starts from `disk` alone. */
  origin: VmOrigin | null;
}

/** A VM and its work, as a snapshot kept them. */
export interface VmOrigin {
  snapshot: string;
  vm: string;
  task: string | null;
  /** Number of the iteration it was taken after, or in. */
  n: number | null;
  /** What its workspace holds. */
  commit: string | null;
}

export interface VmIdentity {
  machineId: string;
  /** Bytes of a fork's random generator, in hexadecimal; null for one that was booted. */
  random: string | null;
}

/** The row of a VM that is wanted: intent before anything is made. */
export function wantedVm(
  of: Pick<Vm, 'id' | 'purpose' | 'disk' | 'size'> &
    Partial<Pick<Vm, 'project' | 'task' | 'ralph' | 'prepares' | 'way' | 'origin'>>,
  now: number,
): Vm {
  return {
    project: null,
    task: null,
    ralph: null,
    prepares: null,
    way: 'boot',
    origin: null,
    ...of,
    desired: 'ready',
    phase: 'wanted',
    since: now,
    stage: null,
    stageSince: now,
    hostKey: null,
    failure: null,
    identity: null,
    seeded: {},
    // Whoever used the VM it is a copy of has used this one too.
    touched: of.origin != null,
  };
}

/** Where a person may go in or have a copy: what is checked in the others must be touched by nobody. */
export function isOpenToPeople({ purpose }: Pick<Vm, 'purpose'>): boolean {
  return purpose === 'implementer' || purpose === 'reviewer' || purpose === 'clone';
}

/** What a VM has in common with another one of `others`, though no two may: in words, or null. */
export function findTwin(
  id: string,
  own: Partial<Pick<Vm, 'hostKey'> & VmIdentity>,
  others: readonly Vm[],
): string | null {
  for (const other of others) {
    if (other.id === id) continue;
    const theirs = { hostKey: other.hostKey, ...other.identity };
    if (own.hostKey && own.hostKey === theirs.hostKey) return `the host key of \`rf-${other.id}\``;
    if (own.machineId && own.machineId === theirs.machineId) return `the machine id of \`rf-${other.id}\``;
    if (own.random && own.random === theirs.random) return `the random bytes of \`rf-${other.id}\``;
  }
  return null;
}

/** Nothing of a user was ever in it. */
export function isUnused(vm: Pick<Vm, 'touched' | 'seeded'>): boolean {
  return !vm.touched && Object.keys(vm.seeded).length === 0;
}

export function vmName(id: string): string {
  return `rf-${id}`;
}

/** A VM that holds room on the host (memory promised). A clone that is wanted waits for its room. */
export function holdsRoom(vm: Vm): boolean {
  if (vm.purpose === 'clone' && vm.phase === 'wanted') return false;
  return vm.phase !== 'gone' && vm.phase !== 'stopped' && !(vm.phase === 'wanted' && vm.desired === 'gone');
}
