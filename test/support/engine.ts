import { openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Docker from 'dockerode';
import { isAlive } from '../../src/lib/alive.ts';
import { baseEnvironment, createExec, spawnDetached } from '../../src/lib/exec.ts';
import { until } from './gateway-process.ts';

/** A container engine of the test's own: Docker’s, in a folder of its own, that touches no rule or bridge of the machine. */
export interface TestEngine extends AsyncDisposable {
  docker: Docker;
  socket: string;
  folder: string;
}

export async function startEngine(): Promise<TestEngine> {
  const folder = await mkdtemp(join(tmpdir(), 'rf-engine-'));
  const socket = join(folder, 'docker.sock');
  const argv = [
    'dockerd',
    ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
    ...['--host', `unix://${socket}`, '--bridge=none', '--iptables=false', '--ip6tables=false'],
    '--host-gateway-ip=172.31.255.1',
  ];
  const env = baseEnvironment();
  const pid = spawnDetached(argv, {
    env: { ...env, PATH: `${env['PATH']}:/usr/sbin:/sbin` },
    logFd: openSync(join(folder, 'log'), 'a'),
  });
  const docker = new Docker({ socketPath: socket });
  await until(
    'the engine answers',
    () =>
      docker.ping().then(
        () => true,
        () => false,
      ),
    60_000,
  );
  return {
    docker,
    socket,
    folder,
    async [Symbol.asyncDispose]() {
      for (const { Id } of await docker.listContainers({ all: true }))
        await docker.getContainer(Id).remove({ force: true });
      await docker.pruneNetworks();
      process.kill(pid, 'SIGTERM');
      await until('the engine has ended', async () => !isAlive(pid), 60_000);
      // The engine leaves the network namespace of the host mounted there.
      await createExec()(['umount', join(folder, 'exec/netns/default')], { okExitCodes: [0, 1, 32] });
      await rm(folder, { recursive: true, force: true });
    },
  };
}
