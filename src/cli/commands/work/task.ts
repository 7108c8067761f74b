import type { Done } from '../../../contract/common.ts';
import { type TaskPriority, taskPriorities } from '../../../domain/task-draft.ts';
import { FleetError } from '../../../lib/errors.ts';
import { findTask } from '../../find-task.ts';
import type { CommandSpec, Context } from '../../frame/command.ts';
import { renderTask } from '../../render/task.ts';
import { who } from '../../who.ts';

const taskArg = { syntax: '<task>', about: 'id or the beginning of its title' };

function simple(name: 'pause' | 'resume' | 'retry' | 'seen', summary: string): CommandSpec {
  const routes = { pause: 'taskPause', resume: 'taskResume', retry: 'taskRetry', seen: 'taskSeen' } as const;
  return {
    name,
    summary,
    args: [taskArg],
    examples: ['T41', 'T41 --json'],
    run: async (context, { args }) => {
      await context.needDaemon();
      const found = await findTask(context, args[0] ?? '');
      return say(context, await context.client.call(routes[name], { params: { id: found.id } }));
    },
  };
}

function say(context: Context, done: Done): number {
  context.print(done, () => [done.message]);
  return 0;
}

const show: CommandSpec = {
  name: 'show',
  summary: 'Shows one task whole: what was asked, iterations, checks, reviews, timeline.',
  args: [taskArg],
  examples: ['T41', 'T41 --json=iterations'],
  run: async (context, { args }) => {
    await context.needDaemon();
    const found = await findTask(context, args[0] ?? '');
    const view = await context.client.call('task', { params: { id: found.id } });
    context.print(view, (look) => renderTask(view, look));
    return 0;
  },
};

const answer: CommandSpec = {
  name: 'answer',
  summary: 'Answers the question a Ralph asked: a letter of its options, or your own words.',
  args: [taskArg, { syntax: '<words...>', about: 'a letter, or text; - reads it from stdin' }],
  examples: ['T44 a', 'T44 price_minor is the true one'],
  run: async (context, { args }) => {
    const [typed = '', ...words] = args;
    const said = words.length === 1 && words[0] === '-' ? await context.io.readStdin() : words.join(' ');
    await context.needDaemon();
    const found = await findTask(context, typed);
    const { question } = await context.client.call('task', { params: { id: found.id } });
    if (!question) {
      throw new FleetError('refused', `Cannot answer \`${found.id}\`: it asks nothing (it is \`${found.phase}\`).`, {
        remedy: `ralph-fleet why ${found.id}`,
      });
    }
    const picked = /^[a-z]$/i.test(said) ? question.options[said.toLowerCase().charCodeAt(0) - 97] : undefined;
    const body = { answer: picked ?? said.trim(), by: who(context.env) };
    return say(context, await context.client.call('taskAnswer', { params: { id: found.id }, body }));
  },
};

const cancel: CommandSpec = {
  name: 'cancel',
  summary: 'Ends a task for good. Its saved work stays in the fleet’s repository.',
  args: [taskArg],
  examples: ['T41', 'T41 --yes'],
  run: async (context, { args }) => {
    await context.needDaemon();
    const found = await findTask(context, args[0] ?? '');
    const question = `Cancel ${found.id} (${found.phase}, $${found.spent.usd.toFixed(2)} spent)?`;
    if (!(await context.confirm(question, `ralph-fleet task cancel ${found.id} --yes`))) return 1;
    return say(context, await context.client.call('taskCancel', { params: { id: found.id } }));
  },
};

const prioritize: CommandSpec = {
  name: 'prioritize',
  summary: 'Changes a task’s place in the queue.',
  args: [taskArg, { syntax: '<priority>', about: taskPriorities.join(', ') }],
  examples: ['T41 high'],
  run: async (context, { args }) => {
    const priority = taskPriorities.find((one) => one === args[1]) as TaskPriority | undefined;
    if (priority === undefined) {
      throw new FleetError('usage', `\`${(args[1] ?? '').slice(0, 40)}\` is no priority.`, {
        remedy: `One of: ${taskPriorities.join(', ')}`,
      });
    }
    await context.needDaemon();
    const found = await findTask(context, args[0] ?? '');
    return say(context, await context.client.call('taskPrioritize', { params: { id: found.id }, body: { priority } }));
  },
};

export const task: readonly CommandSpec[] = [
  show,
  answer,
  cancel,
  simple('pause', 'Parks a task; its saved work and counters stay.'),
  simple('resume', 'Lets a parked task go on.'),
  simple('retry', 'Lets a failed, stalled or blocked task start again from its saved work.'),
  simple('seen', 'Says that you have seen what its agents flagged.'),
  prioritize,
];
