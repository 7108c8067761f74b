import type { VmDetails } from '../../../contract/vms.ts';
import { FleetError } from '../../../lib/errors.ts';
import { type CommandSpec, type Context, flag, text } from '../../frame/command.ts';
import { renderVms } from '../../render/lists.ts';
import { renderVmDetails } from '../../render/vms.ts';

const vmArg = { syntax: '<vm>', about: 'rf-…, the start of its id, the Ralph in it, or the task it works on' };
const pollMs = 500;

export const vm: readonly CommandSpec[] = [
  {
    name: 'list',
    summary: 'Lists the fleet’s virtual machines, what their disks take, and their snapshots.',
    examples: ['', '--json'],
    run: async (context) => {
      await context.needDaemon();
      const list = await context.client.call('vms');
      context.print(list, (look) => renderVms(list.items, look));
      return 0;
    },
  },
  {
    name: 'show',
    summary: 'Shows one VM with the snapshots of it or of its task.',
    args: [vmArg],
    examples: ['T3', 'rf-1a2b3c4d', 'implementer-1 --json'],
    run: async (context, { args: [id = ''] }) => {
      await context.needDaemon();
      const details = await context.client.call('vm', { params: { id } });
      context.print(details, (look) => renderVmDetails(details, look));
      return 0;
    },
  },
  {
    name: 'snapshot',
    summary: 'Keeps the disk of a VM as it is now, with the change; whatever works in it stands still for the copy.',
    args: [vmArg],
    examples: ['implementer-1', 'T3 --json'],
    run: async (context, { args: [id = ''] }) => {
      await context.needDaemon();
      const made = await context.client.call('vmSnapshot', { params: { id } });
      context.print(made, () => [
        made.message,
        `Go back to it:  ralph-fleet vm rewind ${made.task ?? id} --to ${made.name}`,
      ]);
      return 0;
    },
  },
  {
    name: 'rewind',
    summary:
      'Puts a task back to where an iteration ended, disk and change together, and lets its Ralph go on from there. What it takes back is kept as a branch.',
    args: [{ syntax: '<task>', about: 'the task; also the VM or the Ralph that works on it' }],
    options: [
      { flags: '--to <iteration>', about: 'number of the iteration, 0 for the beginning, or a snapshot (s-…)' },
      { flags: '-m, --message <text>', about: 'what its Ralph should know this time' },
    ],
    examples: ['T3 --to 6', 'T3 --to 6 -m "Leave the parser as it is"', 'T3 --to s-1a2b3c4d --yes'],
    run: async (context, input) => {
      const [id = ''] = input.args;
      const to = text(input, 'to');
      if (to === null) {
        const remedy = `ralph-fleet vm rewind ${id} --to N     (0: its beginning; ralph-fleet vm show ${id} lists snapshots)`;
        throw new FleetError('usage', 'To which iteration?', { remedy });
      }
      await context.needDaemon();
      const question = `Take back what ${id} did after ${to}? It is kept as a branch.`;
      if (!(await context.confirm(question, `ralph-fleet vm rewind ${id} --to ${to} --yes`))) {
        context.note('Nothing was changed.');
        return 1;
      }
      const body = { to, notes: text(input, 'message') };
      const done = await context.client.call('vmRewind', { params: { id }, body });
      context.print(done, () => [done.message]);
      return 0;
    },
  },
  {
    name: 'clone',
    summary:
      'Makes a copy of a VM to try something in by hand: no token, an identity of its own, yours until you delete it.',
    args: [{ syntax: '<vm>', about: 'a VM, Ralph or task; or a snapshot (s-…)' }],
    options: [{ flags: '--wait', about: 'until it is ready' }],
    examples: ['T3 --wait', 'implementer-1', 's-1a2b3c4d --json'],
    run: async (context, input) => {
      await context.needDaemon();
      const made = await context.client.call('vmClone', { params: { id: input.args[0] ?? '' } });
      if (flag(input, 'wait')) await untilReady(context, made.name);
      const then = [`Go in:  ralph-fleet vm shell ${made.name}`, `Remove it:  ralph-fleet vm delete ${made.name}`];
      context.print(made, () => [made.message, ...then]);
      return 0;
    },
  },
  {
    name: 'shell',
    summary: 'Opens a shell in a VM, or runs one command there and ends with its exit code.',
    args: [vmArg, { syntax: '[command...]', about: 'after `--`; without one a login shell' }],
    options: [{ flags: '--root', about: 'as root, not as the Ralph’s user' }],
    examples: ['T3', 'rf-1a2b3c4d --root', 'T3 -- npm test', 'T3 -- sh -c "ls | wc -l"'],
    run: async (context, input) => {
      const [id = '', ...argv] = input.args;
      await context.needDaemon();
      const { works } = await context.client.call('vm', { params: { id } });
      if (works !== null) context.note(`Careful: ${works}, and sees what you change.`);
      const isTerminal = argv.length === 0 && context.io.inTty && context.io.outTty;
      const screen = isTerminal ? { cols: context.io.columns(), rows: context.io.rows() } : null;
      const { runShell } = await import('../../terminal/shell.ts');
      return runShell(context, id, { argv, screen, asRoot: flag(input, 'root') });
    },
  },
  {
    name: 'delete',
    summary: 'Removes a clone with its disk, or a snapshot. What the fleet made for its tasks goes with them.',
    args: [{ syntax: '<vm>', about: 'a clone (rf-…) or a snapshot (s-…)' }],
    examples: ['rf-1a2b3c4d', 's-1a2b3c4d --yes'],
    run: async (context, { args: [id = ''] }) => {
      await context.needDaemon();
      if (!(await context.confirm(`Remove ${id} and what is on its disk?`, `ralph-fleet vm delete ${id} --yes`))) {
        context.note('Nothing was changed.');
        return 1;
      }
      const done = await context.client.call('vmDelete', { params: { id } });
      context.print(done, () => [done.message]);
      return 0;
    },
  },
];

async function untilReady(context: Context, name: string): Promise<void> {
  let said: string | null = null;
  for (;;) {
    const { vm: made }: VmDetails = await context.client.call('vm', { params: { id: name } });
    if (made?.phase === 'ready') return;
    if (made === null || made.phase === 'failed' || made.phase === 'deleting') {
      const why = made?.failure ?? 'it is gone';
      throw new FleetError('vm_not_ready', `\`${name}\` did not get ready: ${why}`, { remedy: 'ralph-fleet vm list' });
    }
    const doing = made.waitsFor ?? (made.stage === null ? made.phase : `${made.phase} (${made.stage})`);
    if (doing !== said) context.note(`${name}: ${doing}`);
    said = doing;
    await context.clock.sleep(pollMs, context.signal);
  }
}
