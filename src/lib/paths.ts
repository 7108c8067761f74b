import { homedir, tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { FleetError } from './errors.ts';

/** Every place of ours on the host. Nothing else in the code joins a state path by itself. */
export interface Paths {
  config: string;
  fleetYaml: string;
  /** The user's own model prices. */
  prices: string;
  state: string;
  fleetDb: string;
  gasDb: string;
  runs: string;
  /** What was seen of checks that ran. */
  evidence: string;
  repos: string;
  keys: string;
  vms: string;
  logs: string;
  daemonLog: string;
  gatewayLog: string;
  /** How far Loki has the logs. */
  logCursor: string;
  /** What `telemetry up` keeps: configuration, ports, Grafana's password. */
  telemetry: string;
  /** Where the stack it started is, while it runs. */
  telemetryEndpoints: string;
  /** Given up to save work when the disk is full. */
  ballast: string;
  cache: string;
  images: string;
  /** Saved VMs to fork from, beside the images they stand on. */
  templates: string;
  tools: string;
  runtime: string;
  daemonSocket: string;
  gatewaySocket: string;
  /** Takes what a gateway that left carries to the next one. */
  gatewayCarrySocket: string;
  daemonLock: string;
  gatewayLock: string;
}

/** Longest path of a unix socket that both Linux (108) and macOS (104) take, with the closing zero. */
const maxSocketPath = 103;

const rootHomes = ['/root', '/var/root'];

/**
 * Pure: computes the places from an environment. XDG variables first, then the usual defaults. For root libvirt runs QEMU as
 * a user of its own, who cannot enter root's home: disks, images and sockets (never keys or databases) then stand in the
 * system's folders. Throws `usage` for a place that is no absolute path.
 */
export function resolvePaths(
  env: Record<string, string | undefined> = process.env,
  uid: number | undefined = process.getuid?.(),
): Paths {
  const home = env['HOME'] || homedir();
  refuseRelative({ ...env, HOME: home });
  const isClosedHome = uid === 0 && rootHomes.includes(home);
  const config = join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'ralph-fleet');
  const state = join(env['XDG_STATE_HOME'] || join(home, '.local/state'), 'ralph-fleet');
  const cache = join(env['XDG_CACHE_HOME'] || join(home, '.cache'), 'ralph-fleet');
  const wanted = runtimeFolder(env['XDG_RUNTIME_DIR'], state, isClosedHome);
  const runtime = join(wanted, 'vm-00000000-gateway.sock').length <= maxSocketPath ? wanted : shortRuntime(state);
  const images = isClosedHome && !env['XDG_CACHE_HOME'] ? '/var/cache/ralph-fleet/images' : join(cache, 'images');
  return {
    config,
    fleetYaml: env['RALPH_FLEET_CONFIG'] || join(config, 'fleet.yaml'),
    prices: join(config, 'prices.json'),
    state,
    fleetDb: join(state, 'fleet.db'),
    gasDb: join(state, 'gas.db'),
    runs: join(state, 'runs'),
    evidence: join(state, 'evidence'),
    repos: join(state, 'repos'),
    keys: join(state, 'keys'),
    vms: isClosedHome && !env['XDG_STATE_HOME'] ? '/var/lib/ralph-fleet/vms' : join(state, 'vms'),
    logs: join(state, 'logs'),
    daemonLog: join(state, 'logs', 'daemon.log'),
    gatewayLog: join(state, 'logs', 'gateway.log'),
    logCursor: join(state, 'logs', 'cursor.json'),
    telemetry: join(state, 'telemetry'),
    telemetryEndpoints: join(state, 'telemetry', 'endpoints.json'),
    ballast: join(state, 'ballast'),
    cache,
    images,
    templates: join(images, 'templates'),
    tools: join(cache, 'tools'),
    runtime,
    daemonSocket: join(runtime, 'daemon.sock'),
    gatewaySocket: join(runtime, 'gateway.sock'),
    gatewayCarrySocket: join(runtime, 'gateway-carry.sock'),
    daemonLock: join(state, 'daemon.lock'),
    gatewayLock: join(state, 'gateway.lock'),
  };
}

/** The daemon and the gateway run in other folders than the command: they would look elsewhere. */
function refuseRelative(env: Record<string, string | undefined>): void {
  for (const name of ['HOME', 'XDG_CONFIG_HOME', 'XDG_STATE_HOME', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR']) {
    const value = env[name];
    if (!value || isAbsolute(value)) continue;
    throw new FleetError('usage', `\`${name}\` is \`${value.slice(0, 200)}\`, which is no absolute path.`, {
      remedy: `Set it to one that begins with /, or leave it out: unset ${name}`,
    });
  }
}

/** `/run/user/0` is closed like root's home, and goes away at logout. */
function runtimeFolder(xdg: string | undefined, state: string, isClosedHome: boolean): string {
  if (isClosedHome && (!xdg || xdg === '/run/user/0')) return '/run/ralph-fleet';
  return xdg ? join(xdg, 'ralph-fleet') : join(state, 'run');
}

/** A state folder too deep for a socket gets a short folder of its own, named by the hash of its path. */
function shortRuntime(state: string): string {
  // Only here: loading node:crypto takes every command 5 ms.
  const { hash } = process.getBuiltinModule('node:crypto');
  return join(tmpdir(), `rf-${hash('sha256', state).slice(0, 12)}`);
}
