import type { TaskDraft } from '../../domain/task-draft.ts';
import { checkDocument, type Source } from '../document.ts';
import { type ParsedDocument, problemAt } from '../parsed.ts';
import { type FileProblem, formatPath, type Read, refuseProblems } from '../problems.ts';
import { cycleIn } from './cycle.ts';
import { parseJsonWithComments } from './json-comments.ts';
import { noChecksRemedy, type SubmissionOptions } from './options.ts';
import { type RalphFile, type RalphFileTask, ralphFile } from './schema.ts';
import { withoutEffect } from './without-effect.ts';

/** ralph.json -> task drafts, in the file's order. Throws `invalid_file` with every problem. */
export function readRalphJson(source: Source, options: SubmissionOptions): Read<TaskDraft[]> {
  const parsed = parseJsonWithComments(source);
  const file = checkDocument(source, parsed, ralphFile);
  const drafts = file.tasks
    ? file.tasks.map((task, i, all) => ({
        ...draft(file, task),
        ref: task.id,
        title: task.title,
        priority: task.priority,
        dependsOn: [...new Set([...task.depends_on, ...before(file, all[i - 1]?.id)])],
      }))
    : [draft(file, file)];
  refuseProblems(source.file, [
    ...checkProblems(parsed, file, drafts, options),
    ...dependencyProblems(parsed, drafts),
    ...folderProblems(parsed, file),
  ]);
  return { value: drafts, warnings: withoutEffect(parsed, file, options) };
}

/** `mode: sequential`: each task waits for the one before it. */
function before(file: RalphFile, id: string | undefined): string[] {
  return file.execution?.mode === 'sequential' && id !== undefined ? [id] : [];
}

function draft(file: RalphFile, task: RalphFileTask): TaskDraft {
  const criteria = task.acceptance_criteria;
  const checks = criteria.flatMap(({ id, description, backpressure, timeoutSeconds }) =>
    backpressure === undefined
      ? []
      : [{ id, description: description || id, run: inFolder(file, backpressure), timeoutSeconds }],
  );
  const perCriterion = file.max_iterations_per_criterion;
  return {
    ref: null,
    title:
      file.title ?? file.git?.prTitle ?? firstLine(task.description) ?? criteria[0]?.description.slice(0, 200) ?? '',
    description: describe(file, task),
    checks,
    dependsOn: [],
    contextFiles: task.context_files,
    priority: 'medium',
    agent: file.execution?.agent ?? null,
    model: file.execution?.model ?? null,
    limits: {
      iterations: perCriterion === undefined ? null : perCriterion * Math.max(1, criteria.length),
      maxTokens: task.budget.max_tokens ?? file.budget.max_tokens ?? null,
      maxUsd: task.budget.max_cost_usd ?? file.budget.max_cost_usd ?? null,
      maxCalls: task.budget.max_api_calls ?? file.budget.max_api_calls ?? null,
      maxDurationMs: task.budget.max_duration_ms ?? file.budget.max_duration_ms ?? null,
    },
  };
}

/** The description, then each criterion with its steps: the agent sees what the checks cannot say. */
function describe(file: RalphFile, task: RalphFileTask): string {
  const folder = folderOf(file);
  const where = folder === null ? '' : `Work in the folder \`${folder}\`; the checks run there.`;
  const criteria = task.acceptance_criteria.flatMap(({ id, description, steps }) => [
    `- ${id}${description === '' ? '' : `: ${description}`}`,
    ...steps.map((step) => `  - ${step}`),
  ]);
  const listed = criteria.length === 0 ? '' : `Acceptance criteria:\n${criteria.join('\n')}`;
  return [task.description, where, listed].filter((part) => part !== '').join('\n\n');
}

function folderOf(file: RalphFile): string | null {
  const folder = (file.repository?.workingDir ?? '').replace(/^(\.\/+)+|\/+$/g, '');
  return folder === '' || folder === '.' ? null : folder;
}

/** The command as it is, begun in the folder; the guest's shell alone reads it. */
function inFolder(file: RalphFile, command: string): string {
  const folder = folderOf(file);
  return folder === null ? command : `cd '${folder}' || exit 1; ${command}`;
}

function firstLine(text: string): string | undefined {
  const line = text.split('\n').find((one) => one.trim() !== '');
  return line?.trim().slice(0, 200);
}

function checkProblems(
  parsed: ParsedDocument,
  file: RalphFile,
  drafts: TaskDraft[],
  options: SubmissionOptions,
): FileProblem[] {
  return drafts.flatMap((one, i) => {
    const at = file.tasks ? ['tasks', i] : [];
    const problems: FileProblem[] = [];
    const criteria = (file.tasks?.[i] ?? file).acceptance_criteria;
    criteria.forEach(({ id }, n) => {
      if (criteria.findIndex((other) => other.id === id) === n) return;
      const path = [...at, 'acceptance_criteria', n, 'id'];
      problems.push(
        problemAt(parsed, path, formatPath(path), {
          message: `is \`${id}\` again`,
          remedy: 'give it an id of its own',
        }),
      );
    });
    if (one.title === '') {
      problems.push(
        problemAt(parsed, at, formatPath([...at, 'title']), { message: 'is missing', remedy: 'add a title' }),
      );
    }
    if (one.checks.length === 0 && !options.projectHasChecks) {
      const message = 'has no checks, so nothing could tell when it is done';
      const shown = formatPath([...at, 'acceptance_criteria']);
      problems.push(problemAt(parsed, at, shown, { message, remedy: noChecksRemedy.json }));
    }
    return problems;
  });
}

function dependencyProblems(parsed: ParsedDocument, drafts: TaskDraft[]): FileProblem[] {
  const refs = drafts.flatMap(({ ref }) => (ref === null ? [] : [ref]));
  const problems: FileProblem[] = [];
  drafts.forEach(({ ref, dependsOn }, i) => {
    if (ref !== null && refs.indexOf(ref) !== i) {
      const path = ['tasks', i, 'id'];
      problems.push(
        problemAt(parsed, path, formatPath(path), { message: `is \`${ref}\` again`, remedy: 'ids are used once' }),
      );
    }
    dependsOn.forEach((wanted, n) => {
      if (refs.includes(wanted) || /^T\d+$/.test(wanted)) return;
      const path = ['tasks', i, 'depends_on', n];
      const remedy = 'name a task of this file, or one that exists (T12)';
      problems.push(
        problemAt(parsed, path, formatPath(path), { message: `is \`${wanted}\`, which is no task`, remedy }),
      );
    });
  });
  const edges = new Map<string, string[]>();
  for (const { ref, dependsOn } of drafts) if (ref !== null) edges.set(ref, [...(edges.get(ref) ?? []), ...dependsOn]);
  const cycle = cycleIn(edges);
  if (cycle) {
    const path = ['tasks', refs.indexOf(cycle[0] ?? ''), 'depends_on'];
    const message = `goes round in a circle: ${[...cycle, cycle[0]].join(' -> ')}`;
    problems.push(problemAt(parsed, path, formatPath(path), { message, remedy: 'take one of them out' }));
  }
  return problems;
}

/** It stands in a command between quotes, and must lead nowhere but into the repository. */
function folderProblems(parsed: ParsedDocument, file: RalphFile): FileProblem[] {
  const folder = folderOf(file);
  if (folder === null || (/^[\w.][\w. @+/-]{0,499}$/.test(folder) && !folder.split('/').includes('..'))) return [];
  const what = {
    message: `is ${JSON.stringify(folder.slice(0, 60))}, which is no folder of the repository`,
    remedy: 'name one relative to its root, such as packages/api',
  };
  return [problemAt(parsed, ['repository', 'workingDir'], 'repository.workingDir', what)];
}
