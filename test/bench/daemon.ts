import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openHome } from './home.ts';
import { against, type Bench, single } from './result.ts';

const seconds = 30;
const ticksPerSecond = 100;

/** What a daemon with ten Ralphs and no task takes from the machine; beside it a node process that does nothing. */
export const daemon: Bench = async (say) => {
  await using home = await openHome(
    'version: 1\nroles: {implementer: 8, reviewer: 2}\nvms: {warm: 0, memoryMiB: 1024}\n',
  );
  await home.run(['daemon', 'start']);
  await home.run(['up', '--no-wait', '--no-attach']);
  const pid = await home.daemonPid();
  const idle = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { stdio: 'ignore' });
  await once(idle, 'spawn');
  try {
    // Starting is over when the daemon has used almost nothing for a while.
    for (let before = -1; ; ) {
      const now = (await readTimes(pid)).busySeconds;
      if (before >= 0 && now - before < 0.1) break;
      before = now;
      await sleep(5_000);
    }
    say(`daemon: ${seconds} s at rest`);
    const [began, beganAt] = [await readTimes(pid), performance.now()];
    await sleep(seconds * 1000);
    const ended = await readTimes(pid);
    const wall = (performance.now() - beganAt) / 1000;
    const percent = (now: Times, then: Times) => (100 * (now.busySeconds - then.busySeconds)) / wall;
    const own = (100 * (ended.ownSeconds - began.ownSeconds)) / wall;
    const baseline = single('rss of an idle node', 'MiB', await rssMiB(idle.pid ?? 0));
    const rss = against(single('rss', 'MiB', await rssMiB(pid)), baseline);
    return [
      single('cpu, children included', '% of a core', percent(ended, began)),
      single('cpu', '% of a core', own),
      rss,
      baseline,
    ];
  } finally {
    idle.kill();
  }
};

interface Times {
  ownSeconds: number;
  /** With that of children that have ended. */
  busySeconds: number;
}

async function readTimes(pid: number): Promise<Times> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const fields = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15);
  const ownSeconds = (user + system) / ticksPerSecond;
  return { ownSeconds, busySeconds: ownSeconds + (childUser + childSystem) / ticksPerSecond };
}

async function rssMiB(pid: number): Promise<number> {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? Number.NaN) / 1024;
}
