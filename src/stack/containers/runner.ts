import type Docker from 'dockerode';
import { canonicalJson } from '../../lib/canonical-json.ts';
import type { Clock } from '../../lib/clock.ts';
import { sha256 } from '../../lib/digest.ts';
import { FleetError } from '../../lib/errors.ts';
import type { ServicePlan } from '../plan.ts';
import { absent, type Look, type Runner } from '../runner.ts';
import {
  loopback,
  loopbackAddresses,
  networkAddresses,
  type PortName,
  type Ports,
  type ServiceName,
  serviceNames,
  services,
  usualPorts,
} from '../services.ts';
import type { StackFolders } from '../state.ts';
import type { Engine } from './engine.ts';
import { ensureImage, type Images, toPull } from './images.ts';

/**
 * The services as containers. All are marked with labels and named after the state folder, so that each fleet finds its own
 * again, also after its files were lost; what carries no mark of ours is never touched.
 *
 * Where the engine shares this host's network the services stand in it and listen on loopback themselves: only so can Prometheus reach the
 * daemon without the daemon listening anywhere else. Elsewhere (Docker Desktop, Colima, rootless Docker) they have a network of their own, with ports
 * published on loopback.
 */
export interface ContainersDeps {
  engine: Engine;
  folders: StackFolders;
  images: Images;
  clock: Clock;
  signal: AbortSignal;
  /** Of the user. */
  uid: number;
  version: string;
}

const configPlace = '/etc/ralph-fleet';
const passwordPlace = '/run/secrets/grafana-password';
const label = (name: string) => `dev.ralph-fleet.${name}`;
const shownLines = 20;
const stopSeconds = 15;
const countMs = 5_000;

/** Of the engine's own count (`docker system df -v`), what is asked here. */
interface Counted {
  Volumes?: { Name: string; UsageData?: { Size: number } | null }[] | null;
}

export function createContainers(deps: ContainersDeps): Runner {
  const { engine, folders, images } = deps;
  const { docker } = engine;
  const fleet = sha256(folders.root).slice(0, 8);
  const nameOf = (name: string) => `rf-${fleet}-${name}`;
  const network = nameOf('telemetry');
  const marks = { [label('fleet')]: fleet, [label('role')]: 'telemetry' };
  const markFilter = { label: Object.entries(marks).map(([key, value]) => `${key}=${value}`) };

  function published(name: ServiceName): readonly PortName[] {
    if (engine.hostNetwork) return services[name].ports;
    return name === 'tempo' ? ['tempo', 'otlp'] : [services[name].ports[0]];
  }

  function optionsFor(
    plan: ServicePlan,
    ports: Ports,
  ): Docker.ContainerCreateOptions & { Labels: Record<string, string> } {
    const { name } = plan;
    const { dataInImage, memoryMiB } = services[name];
    const open = engine.hostNetwork ? [] : published(name);
    const inside = (port: PortName) => `${usualPorts[port]}/tcp`;
    const options = {
      Image: toPull(images[name]),
      Cmd: plan.args,
      Env: Object.entries(plan.env).map(([key, value]) => `${key}=${value}`),
      // Grafana reads a file that only the user may read; its image lets any user write its data.
      ...(name === 'grafana' ? { User: engine.rootless ? '0:0' : `${deps.uid}:0` } : {}),
      ExposedPorts: Object.fromEntries(open.map((port) => [inside(port), {}])),
      HostConfig: {
        NetworkMode: engine.hostNetwork ? 'host' : network,
        PortBindings: Object.fromEntries(
          open.map((port) => [inside(port), [{ HostIp: loopback, HostPort: String(ports[port]) }]]),
        ),
        Binds: [
          `${folders.config}/${name}:${configPlace}:ro,z`,
          `${nameOf(name)}:${dataInImage}`,
          ...(name === 'grafana' ? [`${folders.password}:${passwordPlace}:ro,z`] : []),
        ],
        ...(engine.hostNetwork ? {} : { ExtraHosts: ['host.docker.internal:host-gateway'] }),
        RestartPolicy: { Name: 'unless-stopped' },
        ReadonlyRootfs: true,
        Tmpfs: { '/tmp': 'rw,nosuid,nodev,size=67108864' },
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
        Memory: memoryMiB * 1024 * 1024,
        LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } },
      },
      ...(engine.hostNetwork ? {} : { NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [name] } } } }),
    };
    const hash = sha256(canonicalJson([plan.hash, options])).slice(0, 16);
    return {
      ...options,
      Labels: { ...marks, [label('service')]: name, [label('version')]: deps.version, [label('hash')]: hash },
    };
  }

  async function inspect(name: ServiceName): Promise<Docker.ContainerInspectInfo | null> {
    const found = await orNull(docker.getContainer(nameOf(name)).inspect());
    if (found !== null && found.Config.Labels[label('fleet')] !== fleet) {
      throw new FleetError('refused', `There is a container \`${nameOf(name)}\` that is not this fleet’s.`, {
        remedy: `Look at it (docker inspect ${nameOf(name)}), rename or remove it, and run the same command again.`,
      });
    }
    return found;
  }

  async function end(name: ServiceName): Promise<boolean> {
    if ((await inspect(name)) === null) return false;
    const container = docker.getContainer(nameOf(name));
    await orNull(container.stop({ t: stopSeconds }), 304);
    await orNull(container.remove({ force: true }), 409);
    return true;
  }

  async function ensureNetwork(): Promise<void> {
    if (engine.hostNetwork || (await orNull(docker.getNetwork(network).inspect())) !== null) return;
    await orNull(docker.createNetwork({ Name: network, CheckDuplicate: true, Labels: marks }), 409);
  }

  return {
    mode: 'containers',
    title: engine.title,
    missing: [],
    passwordFile: passwordPlace,
    addresses: (ports, listen) => (engine.hostNetwork ? loopbackAddresses(ports, listen) : networkAddresses(listen)),
    places: (name) => ({ config: configPlace, data: services[name].dataInImage }),
    published,
    async look(name) {
      const found = await inspect(name);
      return found === null ? absent : toLook(found);
    },
    async fetch(name, onProgress) {
      await ensureImage(docker, name, images[name], { clock: deps.clock, signal: deps.signal, onProgress });
    },
    async ensure(plan, ports) {
      const options = optionsFor(plan, ports);
      const found = await inspect(plan.name);
      const isSame = found?.Config.Labels[label('hash')] === options.Labels[label('hash')];
      if (found !== null && isSame && toLook(found).state === 'running') return 'left';
      if (found !== null && !isSame) await end(plan.name);
      await ensureNetwork();
      if (!isSame) await create(docker, nameOf(plan.name), options, marks);
      await start(docker.getContainer(nameOf(plan.name)), plan.name);
      return found === null || isSame ? 'started' : 'replaced';
    },
    async lastLines(name) {
      const raw = await docker.getContainer(nameOf(name)).logs({ stdout: true, stderr: true, tail: shownLines });
      return demultiplex(raw).trim().split('\n').slice(-shownLines);
    },
    remove: end,
    async removeShared() {
      // Also what an older version named otherwise.
      for (const { Id } of await docker.listContainers({ all: true, filters: markFilter }))
        await orNull(docker.getContainer(Id).remove({ force: true }), 409);
      for (const { Id } of await docker.listNetworks({ filters: markFilter }))
        await orNull(docker.getNetwork(Id).remove());
    },
    async dataBytes() {
      const counted: Counted | null = await df(docker).catch(() => null);
      const sizeOf = (name: ServiceName) =>
        counted?.Volumes?.find(({ Name }) => Name === nameOf(name))?.UsageData?.Size;
      const known = serviceNames.flatMap((name) => {
        const bytes = sizeOf(name) ?? -1; // as the engine says "not known"
        return bytes < 0 ? [] : [[name, bytes] as const];
      });
      return Object.fromEntries(known);
    },
    async purge() {
      const { Volumes } = await docker.listVolumes({ filters: markFilter });
      for (const { Name } of Volumes ?? []) await orNull(docker.getVolume(Name).remove());
    },
  };
}

/** A volume is made by name and marked before a container would make it without a mark. */
async function create(
  docker: Docker,
  name: string,
  options: Docker.ContainerCreateOptions,
  marks: Record<string, string>,
): Promise<void> {
  await docker.createVolume({ Name: name, Labels: marks });
  await orNull(docker.createContainer({ ...options, name }), 409);
}

async function start(container: Docker.Container, name: ServiceName): Promise<void> {
  try {
    await orNull(container.start(), 304);
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause);
    const isPort = /already (allocated|in use)/i.test(said);
    throw new FleetError(
      isPort ? 'refused' : 'command_failed',
      `The engine cannot start ${services[name].title}: ${said.trim()}`,
      {
        remedy: isPort
          ? 'Something took its port just now. Run  ralph-fleet telemetry up  again: it takes the next one that is free.'
          : 'Mend what it says, then run  ralph-fleet telemetry up  again.',
        cause,
      },
    );
  }
}

/** An engine that counts for longer has more than our volumes, and people wait. */
function df(docker: Docker): Promise<Counted> {
  const asked: (options: { abortSignal: AbortSignal }) => Promise<Counted> = docker.df.bind(docker) as never;
  return asked({ abortSignal: AbortSignal.timeout(countMs) });
}

/** null for 404 and `others`: what is to be gone is gone, what is to be there is there. */
async function orNull<T>(call: Promise<T>, ...others: number[]): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if ([404, ...others].includes((error as { statusCode?: number }).statusCode ?? 0)) return null;
    throw error;
  }
}

function toLook(found: Docker.ContainerInspectInfo): Look {
  const runs = found.State.Running && !found.State.Restarting;
  return {
    state: runs ? 'running' : 'ended',
    since: runs ? new Date(found.State.StartedAt).toISOString() : null,
    hash: found.Config.Labels[label('hash')] ?? null,
    what: found.Config.Image,
  };
}

/** The engine’s frames of stdout and stderr: 8 bytes (stream, 0, 0, 0, length), then text. */
export function demultiplex(raw: Buffer | string): string {
  const bytes = Buffer.isBuffer(raw) ? raw : Buffer.from(raw, 'binary');
  const parts: Buffer[] = [];
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    parts.push(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return Buffer.concat(parts).toString('utf8');
}
