import { openHome } from './home.ts';
import { against, type Bench, single } from './result.ts';

const deadlineMs = 40 * 60_000;

/** `up --demo` from the command to the ping, with an empty home and again after `down --delete` and a purge. Boots VMs. */
export const up: Bench = async (say) => {
  const walk = async (name: string) => {
    await using home = await openHome('version: 1\n');
    const began = performance.now();
    await home.run(['up', '--demo', '--no-attach'], deadlineMs);
    const seconds = (performance.now() - began) / 1000;
    say(`up: ${name} took ${seconds.toFixed(0)} s`);
    await home.run(['down', '--delete', '--yes'], deadlineMs);
    return single(name, 's', seconds);
  };
  const first = await walk('first up --demo until the ping');
  return [first, against(await walk('second up --demo until the ping'), first)];
};
