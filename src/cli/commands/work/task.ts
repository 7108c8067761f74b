import type { Done } from '../../../contract/common.ts';
import { type TaskPriority, taskPriorities } from '../../../domain/task-draft.ts';
import { FleetError } from '../../../lib/errors.ts';
import { findTask } from '../../find-task.ts';
import { type CommandSpec, type Context, text } from '../../frame/command.ts';
import { optionLetter, renderTask } from '../../render/task.ts';
import { who } from '../../who.ts';

const taskArg = { syntax: '<task>', about: 'id or the beginning of its title' };

function simple(name: 'pause' | 'resume' | 'seen', summary: string): CommandSpec {
  const routes = { pause: 'taskPause', resume: 'taskResume', seen: 'taskSeen' } as const;
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
  summary: 'Answers a question a Ralph asked: one of its options, or your own words. What waits for it goes on.',
  args: [taskArg, { syntax: '[words...]', about: 'the letter of an option, or text; - reads it from stdin' }],
  options: [{ flags: '--option <which>', about: 'one of its options: 1, 2, … or a, b, …' }],
  examples: ['T44 a', 'T44 --option 2', 'T44 "price_minor is the true one"', 'T44 - < answer.txt'],
  run: async (context, input) => {
    const [typed = '', ...words] = input.args;
    const picked = text(input, 'option');
    const said = words.length === 1 && words[0] === '-' ? await context.io.readStdin() : words.join(' ').trim();
    if ((picked === null) === (said.trim() === '')) {
      throw new FleetError('usage', `Say an answer${picked === null ? '' : ', or one of its options, not both'}.`, {
        remedy: `ralph-fleet task answer ${typed || 'TASK'} "TEXT"`,
      });
    }
    await context.needDaemon();
    const found = await findTask(context, typed);
    const { question } = await context.client.call('task', { params: { id: found.id } });
    if (!question) {
      throw new FleetError('refused', `Cannot answer \`${found.id}\`: it asks nothing (it is \`${found.phase}\`).`, {
        remedy: `ralph-fleet why ${found.id}`,
      });
    }
    const isLetter = /^[a-z]$/i.test(said) && question.options.length > 0;
    const chosen = picked ?? (isLetter ? said : null);
    const answered = chosen === null ? said.trim() : optionOf(question.options, chosen, found.id);
    const body = { answer: answered, by: who(context.env), question: question.id };
    return say(context, await context.client.call('taskAnswer', { params: { id: found.id }, body }));
  },
};

/** By its letter, or its number from 1. */
function optionOf(options: readonly string[], which: string, id: string): string {
  const at = /^[a-z]$/i.test(which)
    ? which.toLowerCase().charCodeAt(0) - 97
    : /^\d+$/.test(which)
      ? Number(which) - 1
      : -1;
  const option = options[at];
  if (option !== undefined) return option;
  const has =
    options.length === 0
      ? 'offers no options'
      : `has ${options.length} options, a to ${optionLetter(options.length - 1)}`;
  throw new FleetError('usage', `\`${which.slice(0, 40)}\` is no option: the question of \`${id}\` ${has}.`, {
    remedy: `ralph-fleet task show ${id}`,
  });
}

const retry: CommandSpec = {
  name: 'retry',
  summary: 'Lets a failed, stalled or blocked task start again from its saved work, with what it should know.',
  args: [taskArg],
  options: [{ flags: '-m, --message <notes>', about: 'what its implementer should know; - reads it from stdin' }],
  examples: ['T41 -m "the port is in config/dev.yaml"', 'T41', 'T41 -m - < notes.txt'],
  run: async (context, input) => {
    const given = text(input, 'message');
    const notes = given === '-' ? await context.io.readStdin() : given;
    if (notes !== null && notes.trim() === '') {
      const remedy = `ralph-fleet task retry ${input.args[0] ?? 'TASK'} -m "what it should know"`;
      throw new FleetError('usage', 'The notes are empty.', { remedy });
    }
    await context.needDaemon();
    const found = await findTask(context, input.args[0] ?? '');
    const body = { notes: notes === null ? null : notes.trim() };
    return say(context, await context.client.call('taskRetry', { params: { id: found.id }, body }));
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
  retry,
  simple('seen', 'Says that you have seen what its agents flagged, or that it failed: it asks for you no longer.'),
  prioritize,
];
