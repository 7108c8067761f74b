import { join } from 'node:path';
import { createExec } from '../../src/lib/exec.ts';
import { openHome } from './home.ts';
import { against, type Bench, spread } from './result.ts';

const exec = createExec();
const rounds = 30;

/** `status` from the start of the command to its end, against a running daemon; and what an empty node takes. */
export const status: Bench = async (say) => {
  await using home = await openHome('version: 1\n');
  await home.run(['daemon', 'start']);
  const time = async (argv: readonly string[]) => {
    const began = performance.now();
    await exec(argv, { env: home.env });
    return performance.now() - began;
  };
  const launcher = [join(import.meta.dirname, '../../scripts/ralph-fleet'), 'status'];
  const taken = { status: [] as number[], launcher: [] as number[], node: [] as number[] };
  // The first of each may have something to bring or to compile.
  await time(home.argv(['status']));
  await time(launcher);
  for (let round = 0; round < rounds; round++) {
    taken.node.push(await time([process.execPath, '-e', '0']));
    taken.status.push(await time(home.argv(['status'])));
    taken.launcher.push(await time(launcher));
  }
  say(`status: ${rounds} rounds`);
  const node = spread('node -e 0', 'ms', taken.node);
  return [
    against(spread('status', 'ms', taken.status), node),
    against(spread('scripts/ralph-fleet status', 'ms', taken.launcher), node),
    node,
  ];
};
