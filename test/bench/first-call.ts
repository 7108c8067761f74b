import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startModelApi } from '../fixtures/model-api.ts';
import { createFleetHome, type FleetHome } from '../support/fleet-home.ts';
import { makeProject } from '../support/fleet-project.ts';
import { until } from '../support/gateway-process.ts';
import { type Bench, spread } from './result.ts';

const tasks = 5;
const busy = 'Keep the fleet busy';
const minutes = 60_000;

/**
 * From `submit` to the first call of the model API: a warm VM is there, the real Claude Code CLI works in it. Between lie the claim, the
 * checkout, the baseline run of one quick check, and the start of the CLI, which is most of it where VMs are emulated. Another task is worked on
 * all the while: a fleet with nothing to do keeps no VM warm. No call is ever answered.
 */
export const firstCall: Bench = async (say) => {
  const api = await startModelApi({ rules: [{ reply: { stall: 'headers' } }] });
  const home = await createFleetHome({ ANTHROPIC_API_KEY: 'a-key-that-opens-nothing' });
  try {
    await mkdir(home.paths.config, { recursive: true });
    const fleet = {
      ...{ version: 1, vms: { count: 4, cpus: 1, memoryMiB: 2048, diskGiB: 8, warm: 1 } },
      // What is broken off counts at its worst case.
      budget: { per: 'day', usd: 10_000, tokens: 1_000_000_000 },
      ...{ roles: { implementer: 2, reviewer: 1 }, agent: { cli: 'claude' }, upstream: { anthropic: api.url } },
    };
    await writeFile(home.paths.fleetYaml, JSON.stringify(fleet));
    await home.json(['project', 'add', await makeProject(home, 'shop')]);
    const up = await home.cli(['up', '--no-attach', '--no-wait'], { timeoutMs: 5 * minutes });
    if (up.exitCode !== 0) throw new Error(`up ended with ${up.exitCode}: ${up.stdout}${up.stderr}`);
    const whole: number[] = [];
    const work: number[] = [];
    const isAsked = (title: string) => () =>
      api.requests.some((r) => r.url.startsWith('/v1/messages') && r.firstUser.includes(title));
    await submit(home, busy);
    await until('it is busy', isAsked(busy), 20 * minutes);
    for (let n = 1; n <= tasks; n++) {
      await warmVm(home);
      const title = `Say done, try ${n}`;
      const { id, submitted } = await submit(home, title);
      const implementing = until('it is implemented', () => isImplementing(home, id), 10 * minutes).then(() =>
        performance.now(),
      );
      await until('first call', isAsked(title), 10 * minutes);
      const now = performance.now();
      whole.push(now - submitted);
      work.push(now - (await implementing));
      say(`first-call: ${n} of ${tasks}: ${((now - submitted) / 1000).toFixed(1)} s`);
      await home.json(['task', 'cancel', id, '--yes']);
      await home.see('its VM is gone', ({ vms }) => vms.every((vm) => vm.task !== id || vm.phase === 'gone'));
    }
    return [
      spread('submit to the first model call, warm VM', 'ms', whole),
      spread('of it: from the phase `implementing`', 'ms', work),
    ];
  } finally {
    await home.close().finally(() => api.close());
  }
};

const warmVm = (home: FleetHome) =>
  home.see('a warm VM', ({ vms }) => vms.some((vm) => vm.phase === 'ready' && vm.task === null), 15 * minutes);

async function isImplementing(home: FleetHome, id: string): Promise<boolean> {
  const { task } = await home.client.call('task', { params: { id } });
  return task.phase === 'implementing';
}

async function submit(home: FleetHome, title: string): Promise<{ id: string; submitted: number }> {
  const file = join(home.root, 'ralph.json');
  const acceptance = [{ id: 'done', description: 'It says done', backpressure: 'grep -q done done.txt' }];
  const task = {
    id: 'done',
    title,
    description: `${title}: write \`done\` into done.txt.`,
    acceptance_criteria: acceptance,
  };
  await writeFile(file, JSON.stringify({ tasks: [task] }));
  const submitted = performance.now();
  const said = await home.json<{ tasks: { id: string }[] }>(['submit', file]);
  return { id: said.tasks[0]?.id ?? '', submitted };
}
