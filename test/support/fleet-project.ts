import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Step } from '../../src/agents/scripted/scenario.ts';
import { demoConfig } from '../../src/config/fleet/demo.ts';
import { defaultFleetConfig } from '../../src/config/fleet/load.ts';
import type { Request } from '../../src/contract/routes.ts';
import { exec, type FleetHome } from './fleet-home.ts';

/** A repository with one quick check: `done.txt` says `done`. */
export async function makeProject(home: FleetHome, name: string): Promise<string> {
  const path = join(home.root, name);
  const git = (...args: string[]) => exec(['git', '-C', path, ...args], { env: home.env });
  const settings = 'version: 1\nchecks: [{id: done, run: "grep -q done done.txt", timeoutSeconds: 60}]\n';
  await mkdir(dirname(join(path, '.ralph/project.yaml')), { recursive: true });
  await writeFile(join(path, '.ralph/project.yaml'), settings);
  await git('init', '-q', '-b', 'main');
  await git('add', '-A');
  await git('commit', '-q', '-m', 'begin');
  return path;
}

export interface Scenario {
  implementer: StepInput[][];
  reviewer?: StepInput[][];
}
type StepInput = Step | { do: string; [field: string]: unknown };

export const say = (text: string): StepInput => ({ do: 'say', text });
export const signal = (verb: string, more: object = {}): StepInput => ({ do: 'signal', signal: { verb, ...more } });
export const write = (path: string, text: string): StepInput => ({ do: 'write', path, text });
export const approves = [[signal('verdict', { decision: 'approve', findings: [], summary: 'right' })]];

/** A task of the scripted agent; returns its id. */
export async function submitScenario(home: FleetHome, project: string, scenario: Scenario): Promise<string> {
  const draft: Request<'taskSubmit'>['drafts'][number] = {
    ref: null,
    title: 'say done',
    description: 'Make `done.txt` say `done`.',
    checks: [],
    dependsOn: [],
    contextFiles: [],
    priority: 'medium',
    agent: 'scripted',
    model: null,
    limits: { iterations: 30, maxTokens: null, maxUsd: null, maxCalls: null, maxDurationMs: null },
  };
  const body = { project, drafts: [draft], scenario: { version: 1, reviewer: approves, ...scenario } };
  const { tasks } = await home.client.call('taskSubmit', { body });
  return tasks[0]?.id ?? '';
}

/** Small VMs, one at a time for each role, and time limits that a test can wait for. */
export function chaosConfig(iterationTimeoutMs = 600_000) {
  const base = demoConfig(defaultFleetConfig());
  return {
    ...base,
    vms: { ...base.vms, size: { cpus: 1, memoryMiB: 1024, diskGiB: 4 } },
    agent: { ...base.agent, iterationTimeoutMs },
    limits: { ...base.limits, iterationsPerTask: 30, stagnationAfter: 30 },
  };
}
