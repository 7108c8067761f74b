import { readFile, realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import type { ProjectView } from '../../../contract/actions.ts';
import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
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
    const drafts = readSubmission(source, { projectHasChecks: project.settings.checks.length > 0 });
    const made = await context.client.call('taskSubmit', { body: { project: project.name, drafts } });
    context.print(made, () => [
      ...made.tasks.map((task) => `${task.id} ${cell(task.title, 80)}`),
      `Watch:  ralph-fleet status   or   ralph-fleet why ${made.tasks[0]?.id ?? ''}`,
    ]);
    return 0;
  },
};

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
    const facts = await stat(first).catch(() => null);
    if (facts?.isFile()) {
      if (facts.size > 4 * 1024 * 1024)
        throw new FleetError('too_large', `\`${first}\` is too large for a task (over 4 MiB).`);
      return { file: first, text: await readFile(first, 'utf8') };
    }
    if (facts || /^[^\s]+\.(md|json|jsonc|txt|ya?ml)$/i.test(first)) {
      const found = facts ? 'it is no file' : 'there is no such file';
      throw new FleetError('not_found', `Cannot read \`${first}\`: ${found}.`, { remedy: 'ralph-fleet submit --help' });
    }
  }
  return { file: 'the text', text: args.join(' ') };
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
