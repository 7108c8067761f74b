import { access, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ActionDeps } from '../actions/deps.ts';
import { refuseLosingVms } from '../actions/fleet.ts';
import { wantImage } from '../actions/image.ts';
import { replayHanded, replayTask } from '../actions/replay.ts';
import { createAgent } from '../agents/registry.ts';
import type { ApiDeps } from '../api/deps.ts';
import { createChanges } from '../changes/create-changes.ts';
import type { ReadyView } from '../contract/daemon-view.ts';
import type { FleetConfig } from '../domain/fleet.ts';
import { riskOf } from '../domain/risk.ts';
import type { Task } from '../domain/task.ts';
import { exportBundle, takeBundle } from '../evidence/hand-over.ts';
import { createRecordFiles } from '../evidence/records.ts';
import { ralphUser } from '../guest/guest.ts';
import { createGuests } from '../guest/guests.ts';
import { createBallast } from '../host/ballast.ts';
import { createHostLook } from '../host/look.ts';
import { writeFileAtomic } from '../lib/atomic-file.ts';
import { type Clock, toIso } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import type { Random } from '../lib/random.ts';
import { resourcePath } from '../lib/resources.ts';
import { createTurns } from '../lib/turns.ts';
import { createRunFiles } from '../loop/run-files.ts';
import { createTranscripts } from '../loop/transcripts.ts';
import { createNotifier } from '../notify/notify.ts';
import { loadPrompts } from '../prompts/prompts.ts';
import type { Live } from '../queries/deps.ts';
import { fleetView } from '../queries/fleet-view.ts';
import { waitOfVm } from '../queries/vm-view.ts';
import { type Control, createControl } from '../reconcile/control.ts';
import { addressOf } from '../reconcile/execute/address.ts';
import { budgetsFor } from '../reconcile/execute/budget.ts';
import { openDatabase } from '../store/open.ts';
import { createStore } from '../store/store.ts';
import { fillLogs } from '../telemetry/fill-logs.ts';
import { fillSpans } from '../telemetry/fill-spans.ts';
import { keepConfig, readKeptConfig } from './config-store.ts';
import { createCrashPoint } from './crash-point.ts';
import { createCredentials, openChoices, secretsIn, wishes } from './credentials.ts';
import { startDemo } from './demo.ts';
import { diskSizes, preparedPath, removeDiskFile } from './disk-files.ts';
import { createDoing } from './doing.ts';
import { followEndpoints } from './endpoints.ts';
import { createGatewayProcess } from './gateway-process.ts';
import { createGc } from './gc.ts';
import { capacityOf, hostFacts } from './host.ts';
import { createImageCheck } from './image-check.ts';
import { openKeys } from './keys.ts';
import { createLive } from './live.ts';
import { createLogRelay } from './log-relay.ts';
import { logSources } from './log-sources.ts';
import { createDaemonMetrics } from './metrics.ts';
import { openParts } from './parts.ts';
import { purgedPaths, refusePurge } from './purge.ts';
import { createReadSettings } from './read-settings.ts';
import { createFindRegistry } from './registries.ts';
import { createShells } from './shells.ts';
import { createStackWatch } from './stack-watch.ts';
import { createTraces } from './traces.ts';

export interface WireDeps {
  paths: Paths;
  exec: Exec;
  clock: Clock;
  random: Random;
  log: Log;
  env: Record<string, string | undefined>;
  version: string;
  /** Ends the process: after a request to stop, or after a purge with what is to be removed. */
  end: (removed: string[]) => void;
}

export interface Wired {
  api: ApiDeps;
  control: Control;
  close(): Promise<void>;
}

const builderNames = { nix: 'NixOS', debian: 'Debian' } as const;

/** Makes everything of the daemon and hands each its parts. No logic. */
export async function wire(deps: WireDeps): Promise<Wired> {
  const { paths, exec, clock, random, log, env } = deps;
  const startedAt = clock.now();
  // Two `up` at once are two after each other.
  const inTurn = createTurns();
  // What was asked for, and what goes: the addresses of a telemetry stack that runs stand in it.
  let asked: FleetConfig = await readKeptConfig(paths, log);
  const notUsed = (err: unknown) => log.warn({ err }, 'the addresses of the telemetry stack could not be used');
  const endpoints = await followEndpoints(paths.telemetryEndpoints, () => void inTurn(use).catch(notUsed));
  let config: FleetConfig = endpoints.fill(asked);
  async function use(): Promise<void> {
    config = endpoints.fill(asked);
    await metrics.take(config);
    await logs.take(config);
    traces.nudge();
  }
  const store = createStore({ db: openDatabase(paths.fleetDb), clock });
  const keys = await openKeys(paths.keys, exec);
  const parts = await openParts({ exec, paths, log, clock }, config);
  const guests = createGuests({ clock, log, keyFile: keys.sshKeyFile });
  const changes = createChanges({ exec, paths, clock, random, log });
  const choices = await openChoices(paths);
  const gateway = createGatewayProcess({
    ...{ paths, clock, log, env },
    config: () => config,
    sshKeyFile: keys.sshKeyFile,
    credentials: () => wishes({ config: () => config, choices }),
    findRegistry: createFindRegistry({ exec, env, debianMirror: () => config.image.debianMirror }),
  });
  const readSettings = createReadSettings(changes);
  const runs = createRunFiles(paths.runs);
  const records = createRecordFiles(paths.evidence);
  const actions: ActionDeps = { store, clock, changes, config: () => config };
  const agentOf = (iteration: string) => store.tasks.mustGet(store.iterations.mustGet(iteration).task).agent;
  const transcripts = createTranscripts({
    runs,
    clock,
    agent: createAgent,
    agentOf,
    newest: (ralph) => {
      const [last] = store.iterations.list('WHERE ralph = ? ORDER BY startedAt DESC LIMIT 1', ralph);
      return last === undefined ? null : { iteration: last.id, agent: agentOf(last.id), ended: last.phase === 'ended' };
    },
  });
  const notify = createNotifier({
    ...{ exec, log, env, fetch },
    fleet: () => config.name,
    channels: () => config.notify,
    onPing: (channel, result) => store.tallies.add('notifications_total', { channel, result }, 1),
  });
  const metrics = createDaemonMetrics({
    ...{ store, clock, log, paths, version: deps.version, notify },
    config: () => config,
    capacity: () => capacityOf(config, parts.accel()),
    control: () => control,
    live: () => live,
    look: gateway.look,
  });
  const traces = createTraces({ store, clock, log, config: () => config, keyed: keys.keyed, version: deps.version });
  metrics.meters.addSource((put) => fillSpans(put, 'daemon', traces.counts()));
  const control: Control = createControl({
    store,
    clock,
    random,
    log,
    config: () => config,
    driver: parts.driver,
    guests,
    changes,
    images: parts.images,
    gateway: gateway.port,
    runs,
    records,
    about: () => ({
      fleet: deps.version,
      driver: parts.driver.name,
      hypervisor: parts.hypervisor(),
      accel: parts.accel(),
    }),
    removeDisk: ({ key, kind }) => removeDiskFile(paths, key, kind),
    removeFile: (path) => rm(path, { force: true }),
    agent: createAgent,
    prompts: await loadPrompts(resourcePath('prompts')),
    authorizedKey: keys.authorizedKey,
    tokenOf: keys.tokenOf,
    traceOf: traces.of,
    preparedPath: (key) => preparedPath(paths, key),
    incomingPath: (iteration) => join(paths.runs, `${iteration}.bundle`),
    isThere: (path) =>
      access(path).then(
        () => true,
        () => false,
      ),
    readSettings,
    notify,
    onSettled: metrics.onSettled,
    watch: metrics.watch,
    capacity: () => capacityOf(config, parts.accel()),
    accel: parts.accel,
    host: createHostLook(paths),
    ballast: createBallast({ path: paths.ballast, exec }),
    pause: { busyMs: 1_000, idleMs: 10_000 },
    around: createCrashPoint(env['RALPH_FLEET_CRASH']),
  });
  const imageCheck = createImageCheck({
    ...{ ...deps, store, guests, authorizedKey: keys.authorizedKey },
    config: () => config,
    imageKey: () => parts.images.key(),
  });
  void imageCheck.clear().catch((err: unknown) => log.warn({ err }, 'the VM of a look at an image stays'));
  const doing = createDoing({ store, transcripts });
  const logs = createLogRelay({
    ...{ clock, log, cursorFile: paths.logCursor },
    sources: (all) => logSources({ paths, store, clock, driver: parts.driver, traceOf: traces.idOf }, all),
    secrets: () => secretsIn(env, wishes({ config: () => config, choices })),
  });
  metrics.meters.addSource((put) => fillLogs(put, logs.figures()));
  const stack = createStackWatch({ endpoints: endpoints.found, clock });
  const live: Live = createLive({
    parts,
    clock,
    control: () => control,
    startedAt,
    version: deps.version,
    host: () => hostFacts(paths.state),
    doing,
    more: () => [...metrics.problems(), ...logs.problems(), ...stack.problems()],
    traceOf: traces.idOf,
  });
  await use();
  const filesOf = async (task: Task) => {
    if (task.head === null || task.base === null) return [];
    const settings = await readSettings(store.projects.mustGet(task.project), task.base);
    const files = await changes.files(task.project, task.base, task.head, settings.protected);
    return files.map((file) => ({ ...file, risk: riskOf(file.path) }));
  };
  const api: ApiDeps = {
    actions,
    log,
    queries: { store, clock, config: () => config, live },
    ready: () => readyOf(control, startedAt, deps.version),
    nudge: () => control.runner.nudge(),
    look: async () => (await control.look()).plan,
    stop: () => deps.end([]),
    upgradeGateway: async () => {
      const { pid, program, leaving } = await gateway.upgrade();
      return { pid, version: program, leaving };
    },
    wantImage: async () => wantImage(actions, await parts.images.key(), builderNames[parts.images.name]),
    verifyImage: imageCheck.verify,
    takeConfig: (next) =>
      inTurn(async () => {
        refuseLosingVms(actions, next);
        createAgent(next.agent.cli);
        await parts.take(next);
        await keepConfig(paths, next);
        asked = next;
        await use();
      }),
    startDemo: () => inTurn(() => startDemo({ ...actions, exec, paths })),
    gc: createGc({ ...actions, ...{ paths, exec, log, driver: parts.driver } }),
    purge: async (confirmed) => {
      const folders = purgedPaths(paths);
      if (!confirmed) return { purged: false, paths: folders };
      const listed = () => parts.driver.list();
      await imageCheck.clear();
      await refusePurge({ store, listed, waitOf: (vm) => waitOfVm(api.queries, vm) });
      await gateway.end();
      deps.end(folders);
      return { purged: true, paths: folders };
    },
    exportEvidence: (task, path) => exportBundle({ store, clock, changes, records, version: deps.version }, task, path),
    startReplay: async (of) => {
      const id = `rp-${random.hex(4)}`;
      if ('task' in of) return replayTask(actions, of.task, id);
      const isOpen = (replay: string) => store.alive.replays.has(replay);
      const handed = await takeBundle({ folder: paths.evidence, isOpen }, of.bundle, { id, repository: of.repository });
      return replayHanded(actions, handed, id);
    },
    diskSizes,
    budgets: (nodes, one) => gateway.budgets(budgetsFor({ store, clock, config: () => config }, nodes), one),
    credentials: createCredentials({ ...actions, choices, gateway }),
    filesOf,
    diffOf: async (task) =>
      task.head === null || task.base === null ? '' : changes.diff(task.project, task.base, task.head),
    isBaseTip: async (task) => {
      const project = store.projects.get(task.project);
      if (project === null) return null;
      return changes.sync(project).then(
        ({ tip }) => tip === task.base,
        () => null,
      );
    },
    transcripts,
    newId: () => random.hex(4),
    vmDiskBytes: () =>
      parts.driver.space().then(
        ({ vms }) => vms,
        () => new Map(),
      ),
    ...createShells({ store, guests, driver: () => parts.driver }),
    terminal: async (name, size) => {
      const ralph = store.ralphs.mustGet(name);
      const vm = ralph.vm === null ? null : store.vms.get(ralph.vm);
      if (vm === null || vm.phase !== 'ready') {
        throw new FleetError('vm_not_ready', `\`${name}\` has no running VM to attach to.`, {
          remedy: `ralph-fleet logs ${name}`,
        });
      }
      return guests.terminal(addressOf({ driver: parts.driver, store }, vm), { user: ralphUser, ...size });
    },
  };
  traces.start();
  return {
    api,
    control,
    async close() {
      stack.close();
      endpoints.close();
      await metrics.close();
      await control.runner.stop(10_000);
      await traces.stop();
      await logs.close();
      await writeFileAtomic(join(paths.state, 'last-status.json'), JSON.stringify(fleetView(api.queries)));
      await guests.close();
      store.close();
    },
  };
}

function readyOf(control: Control, startedAt: number, version: string): ReadyView {
  const isReady = control.runner.lastPass() !== null;
  return {
    ready: isReady,
    stage: isReady ? 'ready' : 'first pass',
    pid: process.pid,
    version,
    since: toIso(startedAt),
  };
}
