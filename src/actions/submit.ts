import { withProjectChecks } from '../domain/check.ts';
import type { Task, TaskLimits } from '../domain/task.ts';
import type { TaskDraft } from '../domain/task-draft.ts';
import { FleetError } from '../lib/errors.ts';
import type { ActionDeps } from './deps.ts';

export interface Submission {
  project: string | null;
  drafts: readonly TaskDraft[];
  /** What the scripted agent plays; null for other agent CLIs. */
  scenario?: unknown;
}

/** Drafts become tasks, all or none. Checks are the task's own and the project's; a task with none is refused. */
export function submit(
  deps: ActionDeps,
  { project: name, drafts, scenario = null }: Submission,
): { id: string; ref: string | null; title: string }[] {
  const { store, clock } = deps;
  return store.tx(() => {
    const project = findProject(deps, name);
    const ids = new Map<string, string>();
    const rows = drafts.map((draft) => {
      const id = store.nextTaskId();
      if (draft.ref !== null) ids.set(draft.ref, id);
      return { id, draft };
    });
    return rows.map(({ id, draft }) => {
      const checks = withProjectChecks(draft.checks, project.settings.checks);
      if (checks.length === 0) {
        throw new FleetError(
          'invalid_file',
          `Task \`${draft.title}\` has no acceptance check, so nothing could tell when it is done.`,
          {
            remedy:
              'Give it one (a command that ends with 0 when it passes), or put `checks:` into .ralph/project.yaml.',
          },
        );
      }
      if (scenario === null) refuseUnknownAgent(deps, draft);
      const dependsOn = draft.dependsOn.map((ref) => ids.get(ref) ?? existing(deps, ref, draft.title));
      const task: Task = {
        id,
        project: project.name,
        title: draft.title,
        description: draft.description,
        checks,
        dependsOn,
        contextFiles: [...draft.contextFiles],
        agent: draft.agent ?? deps.config().agent.cli,
        model: draft.model,
        scenario,
        phase: dependsOn.length > 0 ? 'waiting' : 'ready',
        since: clock.now(),
        reason: null,
        until: null,
        base: null,
        head: null,
        changeId: null,
        disk: null,
        ralph: null,
        iterations: 0,
        uncounted: 0,
        priority: draft.priority,
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
        limits: limitsOf(deps, draft),
        createdAt: clock.now(),
      };
      store.tasks.insert(task);
      store.events.add('task.submitted', id, task.title);
      return { id, ref: draft.ref, title: draft.title };
    });
  });
}

/** An agent CLI that is not in the image would fail in each of its VMs. */
function refuseUnknownAgent({ config }: ActionDeps, { agent, title }: TaskDraft): void {
  const known = [...new Set([config().agent.cli, ...config().image.agents])];
  if (agent === null || known.includes(agent)) return;
  throw new FleetError(
    'invalid_file',
    `Task \`${title}\` asks for the agent CLI \`${agent}\`, which is not in the image.`,
    {
      remedy: `Leave \`execution.agent\` out, or use one of: ${known.join(', ')}.`,
    },
  );
}

function findProject({ store }: ActionDeps, name: string | null) {
  if (name !== null) {
    const project = store.projects.get(name);
    if (project === null) {
      throw new FleetError('not_found', `There is no project \`${name.slice(0, 60)}\`.`, {
        remedy: 'ralph-fleet project add PATH, or see ralph-fleet project list',
      });
    }
    return project;
  }
  const [only, second] = store.projects.list('ORDER BY name LIMIT 2');
  if (only === undefined)
    throw new FleetError('not_found', 'There is no project yet.', { remedy: 'ralph-fleet project add PATH' });
  if (second !== undefined)
    throw new FleetError('usage', 'There are several projects; say which.', {
      remedy: 'ralph-fleet submit --project NAME',
    });
  return only;
}

function existing({ store }: ActionDeps, id: string, title: string): string {
  if (store.tasks.get(id) !== null) return id;
  throw new FleetError(
    'invalid_file',
    `Task \`${title}\` depends on \`${id}\`, which is neither in this submission nor a task.`,
  );
}

/** What a task does not limit itself is limited by the fleet's budget (`domain/budget.ts`): no task spends without a limit. */
function limitsOf({ config }: ActionDeps, draft: TaskDraft): TaskLimits {
  const { limits, agent } = config();
  return {
    iterations: draft.limits.iterations ?? limits.iterationsPerTask,
    uncounted: limits.uncountedPerTask,
    reviewRounds: limits.reviewRounds,
    stagnationAfter: limits.stagnationAfter,
    iterationTimeoutMs: agent.iterationTimeoutMs,
    maxTokens: draft.limits.maxTokens,
    maxUsd: draft.limits.maxUsd,
    maxCalls: draft.limits.maxCalls,
    maxDurationMs: draft.limits.maxDurationMs,
  };
}
