import type { Request } from '../../../contract/routes.ts';
import { budgetPeriods } from '../../../domain/budget.ts';
import { FleetError } from '../../../lib/errors.ts';
import { type CommandInput, type CommandSpec, flag, text } from '../../frame/command.ts';
import { renderBudgets } from '../../render/budgets.ts';
import { who } from '../../who.ts';

const levelAbout = 'fleet, a task (T1), review:T1, a project, a Ralph';

const show: CommandSpec = {
  name: 'show',
  summary:
    'Shows the budget tree: at each level the limit, what is settled, what open calls have reserved, what is left, when the period ends.',
  args: [{ syntax: '[level]', about: `${levelAbout}; with it also of what its spend is made` }],
  examples: ['', 'T41', 'fleet', 'review:T41', '--json=levels'],
  run: async (context, { args }) => {
    await context.needDaemon();
    const [level] = args;
    const view = await context.client.call('budgets', { query: level === undefined ? {} : { level } });
    context.print(view, (look) => renderBudgets(view, look));
    return 0;
  },
};

const set: CommandSpec = {
  name: 'set',
  summary: 'Sets limits at one level; what was parked for want of them goes on by itself.',
  args: [{ syntax: '<level>', about: levelAbout }],
  options: [
    { flags: '--usd <amount>', about: 'US dollars, or `none`' },
    { flags: '--tokens <count>', about: 'tokens (500k, 5M), or `none`' },
    { flags: '--calls <count>', about: 'calls of a model, or `none`' },
    { flags: '--time <time>', about: 'time its agents may work (90m, 2h), or `none`; tasks and reviews only' },
    { flags: '--per <period>', about: budgetPeriods.join(', ') },
    { flags: '--reset', about: 'back to what the files say' },
  ],
  examples: [
    'T41 --usd 5',
    'fleet --usd 50 --per day',
    'shop-api --tokens 20M --per month',
    'review:T41 --usd 2',
    'T41 --reset',
  ],
  run: async (context, input) => {
    const body = wish(input, who(context.env));
    await context.needDaemon();
    const done = await context.client.call('budgetSet', { body });
    context.print(done, () => [done.message, 'See what is left:  ralph-fleet budget show']);
    return 0;
  },
};

function wish(input: CommandInput, by: string): Request<'budgetSet'> {
  const per = text(input, 'per');
  const period = budgetPeriods.find((one) => one === per);
  if (per !== null && period === undefined) throw wrong('per', per, `one of: ${budgetPeriods.join(', ')}`);
  const usd = text(input, 'usd');
  const tokens = text(input, 'tokens');
  const calls = text(input, 'calls');
  const time = text(input, 'time');
  return {
    level: input.args[0] ?? '',
    reset: flag(input, 'reset'),
    by,
    ...(period === undefined ? {} : { per: period }),
    ...(usd === null ? {} : { usd: parseUsd(usd) }),
    ...(tokens === null ? {} : { tokens: parseCount('tokens', tokens) }),
    ...(calls === null ? {} : { calls: parseCount('calls', calls) }),
    ...(time === null ? {} : { ms: parseTime(time) }),
  };
}

function parseUsd(said: string): number | null {
  if (said === 'none') return null;
  const amount = /^\$?(\d+(?:\.\d+)?)$/.exec(said)?.[1];
  if (amount === undefined || Number(amount) <= 0)
    throw wrong('usd', said, 'an amount like 5 or 2.50, more than 0, or `none`');
  return Number(amount);
}

function parseCount(option: string, said: string): number | null {
  if (said === 'none') return null;
  const [, digits = '', unit = ''] = /^(\d[\d_]*(?:\.\d+)?)([kM]?)$/.exec(said) ?? [];
  const count = Number(digits.replaceAll('_', '')) * ({ k: 1e3, M: 1e6 }[unit] ?? 1);
  if (digits === '' || count < 1) throw wrong(option, said, 'a number like 4000, 500k or 5M, or `none`');
  return Math.floor(count);
}

function parseTime(said: string): number | null {
  if (said === 'none') return null;
  const [, hours, minutes] = /^(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?$/.exec(said) ?? [];
  const ms = Number(hours ?? 0) * 3_600_000 + Number(minutes ?? 0) * 60_000;
  if (ms < 60_000) throw wrong('time', said, 'a time like 90m, 2h or 1h30m, or `none`');
  return Math.round(ms);
}

function wrong(option: string, said: string, wanted: string): FleetError {
  return new FleetError('usage', `\`--${option} ${said.slice(0, 40)}\` is not understood.`, {
    remedy: `Write ${wanted}.`,
  });
}

export const budget: readonly CommandSpec[] = [show, set];
