import type { EvidenceView } from '../../../contract/evidence.ts';
import { FleetError } from '../../../lib/errors.ts';
import { findTask } from '../../find-task.ts';
import type { Context } from '../../frame/command.ts';
import { type CommandSpec, text } from '../../frame/command.ts';
import { renderEvidence } from '../../render/evidence.ts';
import { short } from '../../render/figures.ts';
import { join } from '../../render/look.ts';
import { who } from '../../who.ts';

export const approve: CommandSpec = {
  name: 'approve',
  summary: 'Shows the evidence of a change and asks for your yes. It is bound to the commit shown.',
  args: [{ syntax: '<task>', about: 'id or the beginning of its title' }],
  options: [
    {
      flags: '--commit <commit>',
      about: 'the commit meant, at least 7 digits; asks nothing, needs review.allowNonInteractive',
    },
  ],
  examples: ['T41', 'T41 --commit 3f9c2e1', 'T41 --commit 3f9c2e1 --json'],
  run: async (context, input) => {
    await context.needDaemon();
    const task = await findTask(context, input.args[0] ?? '');
    const evidence = await context.client.call('taskEvidence', { params: { id: task.id } });
    const named = text(input, 'commit');
    if (named === null) {
      refuseWithoutTerminal(context, evidence);
      context.io.out(join(context.look(), renderEvidence(evidence, context.look())));
      // A stray --yes must not approve: the question is asked of a person, always.
      const answer = await context.io.ask(`Approve ${short(evidence.commit)}? [y/N] `);
      if (!/^y(es)?$/i.test(answer)) {
        context.note(`Nothing was changed. Send it back with:  ralph-fleet reject ${task.id} -m NOTES`);
        return 1;
      }
    } else refuseOther(named, evidence);
    const done = await context.client.call('taskApprove', {
      params: { id: task.id },
      body: {
        commit: evidence.commit,
        evidence: evidence.digest,
        channel: named === null ? 'terminal' : 'flag',
        by: who(context.env),
      },
    });
    context.print(done, () => [done.message, `See it arrive:  ralph-fleet wait ${task.id} --for ended`]);
    return 0;
  },
};

function refuseWithoutTerminal(context: Context, evidence: EvidenceView): void {
  if (context.io.inTty && !context.globals.json) return;
  throw new FleetError('refused', `Cannot ask for approval of \`${evidence.task}\`: there is no terminal.`, {
    remedy: `ralph-fleet approve ${evidence.task} --commit ${short(evidence.commit)}   (where fleet.yaml has review.allowNonInteractive)`,
  });
}

function refuseOther(named: string, evidence: EvidenceView): void {
  if (!/^[0-9a-f]{7,40}$/.test(named)) {
    throw new FleetError('usage', `\`${named.slice(0, 60)}\` is no commit: 7 to 40 hexadecimal digits are.`);
  }
  if (evidence.commit.startsWith(named)) return;
  const text = `Cannot approve \`${named}\` of \`${evidence.task}\`: its commit is now \`${short(evidence.commit)}\`.`;
  throw new FleetError('stale_commit', text, { remedy: `Look again:  ralph-fleet evidence ${evidence.task}` });
}
