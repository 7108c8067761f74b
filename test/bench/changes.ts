import { createKit, installJj } from '../integration/changes-kit.ts';
import { against, type Bench, spread } from './result.ts';

const rounds = 15;

/** Bringing saved work to the host: quarantine, checks, one commit with the task's change id. Beside it git alone. */
export const changes: Bench = async (say) => {
  await using kit = await createKit(await installJj());
  await kit.changes.startChange('shop', 'T1', kit.base, 'a task');
  const workspace = await kit.workspace();
  const taken = { changed: [] as number[], same: [] as number[], git: [] as number[] };
  const time = async (list: number[], act: () => Promise<unknown>) => {
    const began = performance.now();
    await act();
    list.push(performance.now() - began);
  };
  for (let round = 0; round < rounds; round++) {
    for (let file = 0; file < 50; file++)
      await workspace.write(`src/f${file}.js`, `export const n = ${round + file};\n`);
    const bundle = await workspace.bundle();
    const save = () => kit.changes.importSaved('shop', 'T1', kit.base, bundle);
    await time(taken.changed, save);
    await time(taken.same, save);
    await time(taken.git, () => kit.user('bundle', 'verify', '-q', bundle));
  }
  say(`changes: ${rounds} rounds of 50 files`);
  const git = spread('git bundle verify', 'ms', taken.git);
  return [
    against(spread('importSaved, 50 files changed', 'ms', taken.changed), git),
    against(spread('importSaved, nothing changed', 'ms', taken.same), git),
    git,
  ];
};
