/** Run as a process of its own, to be killed: `node changes-child.ts '{…}'`. */
import { createChanges } from '../../src/changes/create-changes.ts';
import { createSystemClock } from '../../src/lib/clock.ts';
import { createExec } from '../../src/lib/exec.ts';
import { createSilentLog } from '../../src/lib/log.ts';
import { createSystemRandom } from '../../src/lib/random.ts';

const wanted = JSON.parse(process.argv[2] ?? '{}');
const changes = createChanges({
  exec: createExec(),
  paths: { repos: wanted.repos, tools: '/none' },
  clock: createSystemClock(),
  random: createSystemRandom(),
  log: createSilentLog(),
  jj: wanted.jj,
  userEnv: wanted.userEnv,
});
if (wanted.bundle) {
  await changes.startChange('shop', 'T1', wanted.base, 'Mend');
  await changes.importSaved('shop', 'T1', wanted.base, wanted.bundle);
}
if (wanted.approved) await changes.integrate(wanted.project, 'T1', wanted.approved, wanted.base, 'Mend');
