import { resolve } from 'node:path';
import { FleetError } from '../../../lib/errors.ts';
import { nearest } from '../../../lib/nearest.ts';
import { type CommandSpec, type Context, text } from '../../frame/command.ts';
import { clean } from '../../render/cell.ts';
import { renderLessons, renderProjects } from '../../render/lists.ts';

const add: CommandSpec = {
  name: 'add',
  summary: 'Registers a repository. Shows the checks that will judge changes, and asks when they are only proposed.',
  args: [{ syntax: '[path]', about: 'a git checkout; default: this folder' }],
  options: [
    { flags: '--name <name>', about: 'default: the folder’s' },
    { flags: '--branch <branch>', about: 'changes are made from and put onto it; default: the one checked out' },
  ],
  examples: ['', '../shop-api --branch main', '. --yes --json'],
  run: async (context, input) => {
    const path = resolve(input.args[0] ?? '.');
    await context.needDaemon();
    const found = await context.client.call('projectInspect', { body: { path } });
    if (found.problems.length > 0) {
      const lines = found.problems.map((problem) => `${problem.what} (${problem.remedy})`);
      throw new FleetError('refused', `Cannot add \`${path}\`:\n${lines.join('\n')}`);
    }
    const proposed = found.settingsFrom === 'proposed';
    context.note(settingsText(found.settings, proposed));
    for (const line of found.warnings) context.note(line);
    if (found.dirty) context.note('It has uncommitted changes: no Ralph sees them, each task starts from a commit.');
    if (proposed && !(await context.confirm('Use these?', `ralph-fleet project add ${path} --yes`))) {
      context.note('Nothing was changed. Write .ralph/project.yaml, commit it, and run the same command again.');
      return 1;
    }
    const body = {
      path,
      name: text(input, 'name'),
      branch: text(input, 'branch'),
      settings: proposed ? found.settings : null,
    };
    const project = await context.client.call('projectAdd', { body, idleMs: 300_000 });
    context.print(project, (look) => [
      ...renderProjects([project], look),
      ...(project.remote ? liveChanges(project.remote) : []),
      'Hand in a task:  ralph-fleet submit TASK.md',
    ]);
    return 0;
  },
};

interface Shown {
  setup: { run: string } | null;
  packages: string[];
  services: { name: string; run: string }[];
  checks: { run: string }[];
  protected: string[];
}

function settingsText(settings: Shown, proposed: boolean): string {
  return [
    proposed ? 'No .ralph/project.yaml; the repository suggests:' : 'From .ralph/project.yaml:',
    `  setup      ${settings.setup === null ? 'none' : clean(settings.setup.run)}`,
    ...(settings.packages.length === 0 ? [] : [`  packages   ${clean(settings.packages.join(' '))}`]),
    ...settings.services.map(({ name, run }) => `  service    ${name}: ${clean(run)}`),
    ...settings.checks.map((check) => `  check      ${clean(check.run)}`),
    ...(settings.checks.length === 0 ? ['  check      none: every task must bring its own'] : []),
    `  protected  ${clean(settings.protected.join('  '))}`,
  ].join('\n');
}

export const project: readonly CommandSpec[] = [
  add,
  {
    name: 'list',
    summary: 'Lists the registered repositories.',
    examples: ['', '--json=name,path'],
    run: async (context) => {
      await context.needDaemon();
      const list = await context.client.call('projects');
      context.print(list, (look) => renderProjects(list.items, look));
      return 0;
    },
  },
  {
    name: 'remove',
    summary: 'Forgets a repository; refuses while it has unfinished tasks. Nothing in it is touched.',
    args: [{ syntax: '<name>', about: 'its name' }],
    examples: ['shop-api'],
    run: async (context, { args }) => {
      const name = await named(context, args[0] ?? '');
      const done = await context.client.call('projectRemove', { params: { name } });
      context.print(done, () => [done.message]);
      return 0;
    },
  },
  {
    name: 'notes',
    summary: 'Shows what agents learned about a project: it stands in the prompts of its tasks.',
    args: [{ syntax: '<name>', about: 'its name' }],
    examples: ['shop-api', 'shop-api --json=id,text'],
    run: async (context, { args }) => {
      const name = await named(context, args[0] ?? '');
      const list = await context.client.call('projectNotes', { params: { name } });
      context.print(list, (look) => renderLessons(list.items, name, look));
      return 0;
    },
  },
  {
    name: 'forget',
    summary: 'Takes out a note of agents for good, or all of them.',
    args: [
      { syntax: '<name>', about: 'its name' },
      { syntax: '[id]', about: 'of a note; without one all are taken out' },
    ],
    examples: ['shop-api les-0a1b2c3d', 'shop-api --yes'],
    run: async (context, { args }) => {
      const name = await named(context, args[0] ?? '');
      const id = args[1] ?? null;
      const ask = `Take out every note on ${name}?`;
      if (id === null && !(await context.confirm(ask, `ralph-fleet project forget ${name} --yes`))) return 1;
      const done = await context.client.call('projectForget', { params: { name }, body: { id } });
      context.print(done, () => [done.message]);
      return 0;
    },
  },
];

async function named(context: Context, name: string): Promise<string> {
  await context.needDaemon();
  const { items } = await context.client.call('projects');
  if (items.some((one) => one.name === name)) return name;
  const near = nearest(
    name,
    items.map((one) => one.name),
  );
  const remedy = near.length > 0 ? `Did you mean: ${near.join(', ')}?` : 'ralph-fleet project list';
  throw new FleetError('not_found', `There is no project \`${name.slice(0, 60)}\`.`, { remedy });
}

/** Each task's change as `ralph/<task>` in the user's own checkout, while it is being made. */
function liveChanges(url: string): string[] {
  return [
    'See changes live, in your checkout:',
    `  git remote add ralph ${url}`,
    "  git config remote.ralph.fetch '+refs/heads/ralph/*:refs/remotes/ralph/*' && git fetch ralph",
  ];
}
