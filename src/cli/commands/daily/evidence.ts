import { resolve } from 'node:path';
import { FleetError } from '../../../lib/errors.ts';
import { findTask } from '../../find-task.ts';
import { type CommandInput, type CommandSpec, type Context, flag, text } from '../../frame/command.ts';
import { renderEvidence } from '../../render/evidence.ts';
import { bytes } from '../../render/figures.ts';
import { replay } from './replay.ts';

export const evidence: CommandSpec = {
  name: 'evidence',
  summary:
    'Shows what was asked, what was checked by the controller, and what to look at; hands it over, does it again.',
  args: [
    {
      syntax: '<task>',
      about: 'id or the beginning of its title; or `replay`, and then a bundle somebody handed over',
    },
    { syntax: '[bundle]', about: 'file made with --export' },
  ],
  options: [
    { flags: '--export <path>', about: 'write the evidence bundle: a file that is not there yet, or a folder' },
    {
      flags: '--replay',
      about: 'run the recorded checks again in a clean VM and compare; exit 0 the same, 1 different',
    },
    {
      flags: '--repository <path>',
      about: 'for a bundle: the repository the change was made in (default: this folder)',
    },
  ],
  examples: [
    'T41',
    'T41 --json=proof,calledOut',
    'T41 --export T41.evidence.json',
    'T41 --replay',
    'replay T41.evidence.json --repository ~/shop-api',
  ],
  run: async (context, input) => {
    const [named = '', bundle] = input.args;
    if (bundle !== undefined) return replayBundle(context, input, named, bundle);
    if (text(input, 'repository') !== null) throw usage('`--repository` goes with a bundle.');
    await context.needDaemon();
    const task = await findTask(context, named);
    const path = text(input, 'export');
    if (path !== null && flag(input, 'replay')) throw usage('Either `--export` or `--replay`, one after the other.');
    if (path !== null) return exportTo(context, task.id, resolve(path));
    if (flag(input, 'replay')) return replay(context, { task: task.id });
    const view = await context.client.call('taskEvidence', { params: { id: task.id } });
    context.print(view, (look) => renderEvidence(view, look));
    return 0;
  },
};

async function replayBundle(context: Context, input: CommandInput, named: string, bundle: string): Promise<number> {
  if (named !== 'replay' || text(input, 'export') !== null) throw usage('A bundle can be replayed.');
  await context.needDaemon();
  return replay(context, { bundle: resolve(bundle), repository: resolve(text(input, 'repository') ?? '.') });
}

function usage(message: string): FleetError {
  return new FleetError('usage', message, { remedy: 'ralph-fleet evidence replay BUNDLE --repository PATH' });
}

async function exportTo(context: Context, id: string, path: string): Promise<number> {
  const made = await context.client.call('taskEvidenceExport', { params: { id }, body: { path }, idleMs: 300_000 });
  context.print(made, () => [
    `Written: ${made.path} (${bytes(made.bytes)}, sha256 ${made.digest})`,
    'Whoever has it and the repository can check it:  ralph-fleet evidence replay FILE --repository PATH',
  ]);
  return 0;
}
