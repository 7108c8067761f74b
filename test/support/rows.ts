import type { Approval } from '../../src/domain/approval.ts';
import type { CheckRun } from '../../src/domain/check.ts';
import type { Disk } from '../../src/domain/disk.ts';
import type { FleetConfig, Ralph } from '../../src/domain/fleet.ts';
import type { Iteration } from '../../src/domain/iteration.ts';
import type { Project } from '../../src/domain/project.ts';
import type { Replay } from '../../src/domain/replay.ts';
import type { Review } from '../../src/domain/review.ts';
import type { Snapshot } from '../../src/domain/snapshot.ts';
import type { Task } from '../../src/domain/task.ts';
import type { Vm } from '../../src/domain/vm.ts';
import type { VmLook, VmSeen, World } from '../../src/reconcile/plan/world.ts';

/** Rows with sensible fields, of which a test says only what matters to it. */
export const now = 1_800_000_000_000;
export const base = 'b'.repeat(40);
export const head = 'c'.repeat(40);
const size = { cpus: 1, memoryMiB: 512, diskGiB: 4 };

export const config: FleetConfig = {
  name: 'test',
  driver: 'fake',
  wall: 'device',
  image: { builder: 'auto', agents: [], debianMirror: null },
  vms: { count: 'auto', size, warm: 1, snapshots: 0 },
  host: { keepFreeDiskGiB: 2, keepFreeMemoryMiB: 1024 },
  keep: { runsDays: 30 },
  roles: { implementer: 1, reviewer: 1 },
  agent: { cli: 'scripted', model: null, maxTurns: 10, iterationTimeoutMs: 600_000 },
  budget: { per: 'day', usd: 10, tokens: 1_000_000, calls: 1000, warnAt: 0.8, reviewShare: 0.2 },
  limits: {
    iterationsPerTask: 5,
    uncountedPerTask: 10,
    stagnationAfter: 3,
    reviewsWaiting: 3,
    reviewRounds: 3,
    keepFreeOfUsageWindow: 0.1,
    silenceMs: 600_000,
  },
  credentials: {},
  review: { required: true, allowNonInteractive: false },
  integrate: { mode: 'branch' },
  notify: [],
  upstream: { anthropic: 'http://127.0.0.1:1', openai: 'http://127.0.0.1:1' },
  metrics: null,
  telemetry: { loki: null, otlp: null },
};

export function aProject(more: Partial<Project> = {}): Project {
  const settings = { setup: null, protected: ['test/**'], checks: [], registries: [], packages: [], services: [] };
  return { name: 'p', path: '/p', branch: 'main', settings, settingsFrom: base, addedAt: now, ...more };
}

export function aTask(more: Partial<Task> = {}): Task {
  return {
    id: 'T1',
    project: 'p',
    title: 'Add a thing',
    description: '',
    checks: [{ id: 'c', description: 'it works', run: 'make test', timeoutSeconds: 60 }],
    dependsOn: [],
    contextFiles: [],
    agent: 'scripted',
    model: null,
    scenario: null,
    phase: 'ready',
    since: now - 60_000,
    reason: null,
    until: null,
    base: null,
    head: null,
    changeId: null,
    disk: null,
    ralph: null,
    iterations: 0,
    uncounted: 0,
    priority: 'medium',
    seen: false,
    calledOut: null,
    pausedIn: null,
    needs: null,
    judged: null,
    reviewRound: 0,
    recentDigests: [],
    stagnant: 0,
    notes: [],
    questions: [],
    rewind: null,
    limits: {
      iterations: 5,
      uncounted: 10,
      reviewRounds: 3,
      stagnationAfter: 3,
      iterationTimeoutMs: 600_000,
      maxTokens: null,
      maxUsd: null,
      maxCalls: null,
      maxDurationMs: null,
    },
    createdAt: now - 100_000,
    ...more,
  };
}

export function aVm(more: Partial<Vm> = {}): Vm {
  return {
    id: '0000000a',
    purpose: 'implementer',
    project: 'p',
    task: 'T1',
    ralph: 'implementer-1',
    prepares: null,
    desired: 'ready',
    phase: 'ready',
    since: now - 50_000,
    stage: null,
    stageSince: now - 50_000,
    disk: 'image',
    size,
    hostKey: 'ssh-ed25519 AAAA',
    failure: null,
    way: 'boot',
    identity: null,
    seeded: {},
    touched: false,
    origin: null,
    ...more,
  };
}

export function anIteration(more: Partial<Iteration> = {}): Iteration {
  return {
    id: 'it-1',
    task: 'T1',
    ralph: 'implementer-1',
    vm: '0000000a',
    role: 'implementer',
    n: 1,
    nonce: '0'.repeat(32),
    phase: 'running',
    outcome: null,
    reason: null,
    summary: null,
    ask: null,
    retryAt: null,
    review: null,
    fromCommit: base,
    savedCommit: null,
    savedTree: null,
    startedAt: now - 30_000,
    endedAt: null,
    deadline: now + 600_000,
    streamBytes: 0,
    lastOutputAt: null,
    arrived: null,
    savedAt: null,
    ...more,
  };
}

export function aRun(more: Partial<CheckRun> = {}): CheckRun {
  return {
    id: 'ck-1',
    task: 'T1',
    kind: 'loop',
    variant: 'as-committed',
    commit: head,
    tested: head,
    base,
    vm: '0000000a',
    iteration: 'it-1',
    phase: 'passed',
    results: [{ id: 'c', passed: true, exitCode: 0, timedOut: false, ms: 1, tail: '' }],
    startedAt: now - 20_000,
    endedAt: now - 10_000,
    failure: null,
    record: null,
    ...more,
  };
}

export function aReview(more: Partial<Review> = {}): Review {
  return {
    id: 'rv-1',
    task: 'T1',
    commit: head,
    base,
    round: 1,
    phase: 'requested',
    findings: [],
    summary: null,
    attempts: 0,
    iteration: null,
    at: now - 5_000,
    ...more,
  };
}

export function anApproval(more: Partial<Approval> = {}): Approval {
  return {
    id: 1,
    task: 'T1',
    commit: head,
    base,
    evidence: 'e'.repeat(64),
    decision: 'approve',
    notes: null,
    channel: 'terminal',
    by: 'ada',
    at: now - 1_000,
    state: 'active',
    carriedFrom: null,
    ...more,
  };
}

export function aDisk(more: Partial<Disk> = {}): Disk {
  return {
    key: 'image',
    kind: 'image',
    project: null,
    phase: 'ready',
    path: '/images/x.qcow2',
    boot: null,
    backing: null,
    commit: null,
    recipe: null,
    progress: null,
    failure: null,
    attempts: 0,
    forkFailures: 0,
    forkFailedAt: null,
    since: now - 200_000,
    ...more,
  };
}

export function aRalph(more: Partial<Ralph> = {}): Ralph {
  return { name: 'implementer-1', role: 'implementer', task: null, vm: null, since: now - 200_000, ...more };
}

/** Each seen like this since a while ago. */
export function looks(states: Record<string, VmSeen>, since = now - 60_000): Map<string, VmLook> {
  return new Map(Object.entries(states).map(([id, state]) => [id, { state, since }]));
}

/** A fleet that is up with room for four VMs, an image, one Ralph of each role, and whatever a test puts into it. */
export function aWorld(more: Partial<World> & { vmStates?: Record<string, VmSeen> } = {}): World {
  const { vmStates, ...rest } = more;
  const states = vmStates ?? Object.fromEntries((rest.vms ?? []).map((vm) => [vm.id, 'running' as const]));
  return {
    now,
    config,
    desire: 'up',
    paused: false,
    capacity: 4,
    projects: [aProject()],
    tasks: [],
    vms: [],
    ralphs: [aRalph(), aRalph({ name: 'reviewer-1', role: 'reviewer' })],
    disks: [aDisk()],
    snapshots: [],
    iterations: [],
    checkRuns: [],
    reviews: [],
    replays: [],
    approvals: [],
    pinged: new Set(),
    budgets: [],
    stops: [],
    limits: [],
    providers: new Map([['scripted', 'anthropic']]),
    flags: [],
    observed: {
      askedAt: now - 10,
      driver: { ok: true, vms: looks(states) },
      guests: new Map(),
      quiet: new Map(),
      imageKey: 'image',
      tunnels: [],
      accel: 'kvm',
      credentials: null,
      host: null,
      templates: null,
      snapshots: new Map(),
    },
    ...rest,
  };
}

export function aSnapshot(more: Partial<Snapshot> = {}): Snapshot {
  return {
    id: '5a9e0001',
    vm: '0000000a',
    project: 'p',
    task: 'T1',
    why: 'iteration',
    iteration: 'it-1',
    n: 1,
    commit: head,
    disk: 'image',
    size,
    phase: 'ready',
    failure: null,
    bytes: 1024,
    since: now - 50_000,
    ...more,
  };
}

export function aReplay(more: Partial<Replay> = {}): Replay {
  const { results } = aRun();
  return {
    id: 'rp-0000000a',
    task: 'T1',
    title: 'T1 title',
    project: 'p',
    source: null,
    commit: head,
    base,
    checks: aTask().checks,
    recorded: {
      runs: [{ variant: 'as-committed', tested: head, results }],
      protected: [],
      services: [],
      disk: 'image',
      image: 'image',
      recipe: null,
    },
    disk: 'image',
    phase: 'running',
    reason: null,
    runs: [],
    attempts: 0,
    remarks: [],
    startedAt: now - 10_000,
    endedAt: null,
    tidied: false,
    ...more,
  };
}
