import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { FleetError } from '../../lib/errors.ts';
import type { Exec } from '../../lib/exec.ts';

/** A container engine that answered: Docker's own, or one that speaks its API (Podman, Colima, OrbStack). */
export interface Engine {
  docker: Docker;
  /** `docker 28.1.0 (rootless)`. */
  title: string;
  /** Without root on this host: uid 0 in its containers is the user. */
  rootless: boolean;
  /** True where a container in the host's network sees this host's loopback. */
  hostNetwork: boolean;
}

export interface EngineDeps {
  env: Record<string, string | undefined>;
  exec: Exec;
  platform: NodeJS.Platform;
}

const away =
  'Start it (Docker Desktop, colima start, or systemctl --user start docker), or run without containers:  ralph-fleet telemetry up --native';

/** Throws `driver_unavailable` with what was tried and what to do. */
export async function connectEngine(deps: EngineDeps): Promise<Engine> {
  const socket = await findSocket(deps);
  const docker = new Docker({ socketPath: socket });
  try {
    const [version, info] = await Promise.all([docker.version(), docker.info()]);
    return describe(docker, version, info, deps.platform);
  } catch (cause) {
    throw unreachable(socket, cause as NodeJS.ErrnoException);
  }
}

async function findSocket({ env, exec }: EngineDeps): Promise<string> {
  const named = env['DOCKER_HOST'] || (await contextHost(exec));
  if (named) return localSocket(named, env['DOCKER_HOST'] ? 'DOCKER_HOST' : 'the context of `docker`');
  const tried = usualSockets(env);
  for (const path of tried) {
    const isSocket = await stat(path).then(
      (found) => found.isSocket(),
      (error: NodeJS.ErrnoException) => error.code === 'EACCES',
    );
    if (isSocket) return path;
  }
  throw new FleetError('driver_unavailable', 'No container engine was found on this machine.', {
    remedy: away,
    details: { tried },
  });
}

function usualSockets(env: EngineDeps['env']): string[] {
  const home = env['HOME'] ?? '/';
  const runtime = env['XDG_RUNTIME_DIR'];
  return [
    '/var/run/docker.sock',
    ...(runtime ? [join(runtime, 'docker.sock'), join(runtime, 'podman/podman.sock')] : []),
    join(home, '.docker/run/docker.sock'),
    join(home, '.orbstack/run/docker.sock'),
    join(home, '.colima/default/docker.sock'),
    join(home, '.rd/docker.sock'),
    '/run/podman/podman.sock',
  ];
}

/** The engine `docker` itself would ask; null where it is not installed, or names the usual one. */
async function contextHost(exec: Exec): Promise<string | null> {
  try {
    const argv = ['docker', 'context', 'inspect', '--format', '{{.Endpoints.docker.Host}}'];
    const said = (await exec(argv, { timeoutMs: 10_000 })).stdout.trim();
    return said === '' || said === 'unix:///var/run/docker.sock' ? null : said;
  } catch {
    return null;
  }
}

function localSocket(host: string, from: string): string {
  if (host.startsWith('unix://')) return host.slice('unix://'.length);
  throw new FleetError(
    'driver_unavailable',
    `${from} names the engine \`${host.slice(0, 200)}\`, which is no socket of this machine.`,
    {
      remedy:
        'The stack listens on this machine only: name a local engine (DOCKER_HOST=unix:///…), or run  ralph-fleet telemetry up --native',
    },
  );
}

async function describe(
  docker: Docker,
  version: Docker.DockerVersion,
  info: { SecurityOptions?: string[]; OperatingSystem?: string },
  platform: NodeJS.Platform,
): Promise<Engine> {
  const isPodman = (version.Components ?? []).some((part) => part.Name.startsWith('Podman'));
  const rootless = (info.SecurityOptions ?? []).some((option) => option.includes('rootless'));
  const inVm = platform !== 'linux' || info.OperatingSystem === 'Docker Desktop';
  return {
    docker,
    title: `${isPodman ? 'podman' : 'docker'} ${version.Version}${rootless ? ' (rootless)' : ''}`,
    rootless,
    hostNetwork: !inVm && (!rootless || isPodman),
  };
}

function unreachable(socket: string, cause: NodeJS.ErrnoException): FleetError {
  if (cause.code === 'EACCES' || cause.code === 'EPERM') {
    return new FleetError('driver_unavailable', `You have no right to the container engine’s socket \`${socket}\`.`, {
      remedy:
        'Join its group (sudo usermod -aG docker $USER, then log in again; its members are as good as root), use a rootless engine, or run without containers:  ralph-fleet telemetry up --native',
      cause,
    });
  }
  return new FleetError('driver_unavailable', `The container engine at \`${socket}\` does not answer.`, {
    remedy: away,
    cause,
  });
}
