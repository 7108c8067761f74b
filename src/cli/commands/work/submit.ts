import { realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { formatProblems } from '../../../config/problems.ts';
import type { ProjectView } from '../../../contract/actions.ts';
import type { TaskDraft } from '../../../domain/task-draft.ts';
import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import { readTextFile } from '../../../lib/read-text.ts';
import type { Context } from '../../frame/command.ts';
import { type CommandSpec, text } from '../../frame/command.ts';
import { cell } from '../../render/cell.ts';

export const submit: CommandSpec = {
  name: 'submit',
  summary: 'Hands in tasks: a ralph.json, a spec in Markdown, or plain words.',
  args: [{ syntax: '[file-or-words...]', about: 'a file, - for stdin, or words' }],
  options: [{ flags: '--project <name>', about: 'default: the project of this folder, or the only one' }],
  examples: ['ralph.json', 'TASK.md --project shop-api', '"mend the failing login test"', '- < TASK.md'],
  run: async (context, input) => {
    const source = await readSource(context, input.args);
    await context.needDaemon();
    const { items } = await context.client.call('projects');
    const project = await pickProject(items, text(input, 'project'));
    const { readSubmission } = await import('../../../config/submission/read.ts');
    const { checks } = project.settings;
    const options = { projectHasChecks: checks.length > 0, branch: project.branch };
    const { value: drafts, warnings } = readSubmission(source, options);
    for (const line of formatProblems(source.file, warnings)) context.note(line);
    for (const id of replaced(drafts, checks)) {
      context.note(`The task’s own check \`${id}\` takes the place of the project’s.`);
    }
    const made = await context.client.call('taskSubmit', { body: { project: project.name, drafts } });
    context.print(made, () => [
      ...made.tasks.map((task) => `${task.id} ${cell(task.title, 80)}`),
      `Watch:  ralph-fleet status   or   ralph-fleet why ${made.tasks[0]?.id ?? ''}`,
    ]);
    return 0;
  },
};

/** A task's check of the same id is run instead of the project's. */
function replaced(drafts: readonly TaskDraft[], checks: readonly { id: string; run: string }[]): string[] {
  const own = drafts.flatMap((draft) => draft.checks);
  const other = checks.filter(({ id, run }) => own.some((check) => check.id === id && check.run !== run));
  return other.map(({ id }) => id);
}

const maxBytes = 4 * 1024 * 1024;
const looksLikeFile = /^[^\s]+\.(md|json|jsonc|txt|ya?ml)$/i;

/** One argument that is a file is the file; what only looks like one and is missing is refused; else it is words. */
async function readSource(context: Context, args: readonly string[]): Promise<{ file: string; text: string }> {
  const [first] = args;
  if (first === undefined || (first === '-' && args.length === 1)) {
    if (first === undefined && context.io.inTty) {
      throw new FleetError('usage', 'What is to be done? Nothing was handed in.', {
        remedy: 'ralph-fleet submit TASK.md',
      });
    }
    return { file: 'stdin', text: await context.io.readStdin() };
  }
  if (args.length === 1) {
    const file = await fileAt(first);
    if (file !== null) return { file, text: await readTextFile(file, maxBytes) };
  }
  if (args.length > 1 && args.every((word) => looksLikeFile.test(word))) {
    throw new FleetError('usage', `Cannot hand in ${args.length} files at once.`, {
      remedy: 'One after the other, or several `tasks` in one ralph.json.',
    });
  }
  return { file: 'the text', text: args.join(' ') };
}

/** The file that is meant, or null for words. */
async function fileAt(word: string): Promise<string | null> {
  const facts = await stat(word).catch((error: NodeJS.ErrnoException) => error.code ?? 'unknown');
  if (typeof facts !== 'string' && (facts.isFile() || facts.isFIFO())) return word;
  const isPath = looksLikeFile.test(word) || /^\S*\/\S*$/.test(word);
  const isWords = typeof facts === 'string' && /^(ENOENT|ENAMETOOLONG|ENOTDIR)$/.test(facts) && !isPath;
  if (isWords) return null;
  const found = typeof facts !== 'string' ? 'it is no file' : facts === 'ENOENT' ? 'there is no such file' : facts;
  throw new FleetError('not_found', `Cannot read \`${word.slice(0, 200)}\`: ${found}.`, {
    remedy: 'ralph-fleet submit --help',
  });
}

async function pickProject(projects: readonly ProjectView[], named: string | null): Promise<ProjectView> {
  const names = projects.map((project) => project.name);
  if (named !== null) {
    const found = projects.find((project) => project.name === named);
    if (found) return found;
    const near = nearest(named, names);
    throw new FleetError('not_found', `There is no project \`${named.slice(0, 60)}\`.`, {
      remedy: near.length > 0 ? `Did you mean: ${near.join(', ')}?` : 'ralph-fleet project add PATH',
    });
  }
  const here = await realpath(process.cwd()).catch(() => resolve('.'));
  const inside = projects.find((project) => here === project.path || here.startsWith(project.path + sep));
  const only = inside ?? (projects.length === 1 ? projects[0] : undefined);
  if (only) return only;
  throw new FleetError('usage', projects.length === 0 ? 'There is no project yet.' : 'For which project?', {
    remedy: projects.length === 0 ? 'ralph-fleet project add .' : `Name one with --project: ${names.join(', ')}`,
  });
}
