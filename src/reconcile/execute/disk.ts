import type { Disk, DiskRecipe } from '../../domain/disk.ts';
import { usersOf } from '../../domain/disk-users.ts';
import { setupOf } from '../../domain/project.ts';
import { isRegistryKind, type RegistryKind, registryPath, sayNoNetwork } from '../../domain/registry.ts';
import { guestGatewayUrl, ralphUser, workspaceFolder } from '../../guest/guest.ts';
import { scriptsFolder } from '../../guest/places.ts';
import { quoteCommand } from '../../guest/shell-quote.ts';
import { FleetError, formatError, isAbort } from '../../lib/errors.ts';
import { setupJobId } from '../plan/disks.ts';
import { readyVm } from './address.ts';
import type { ExecuteDeps, Executor } from './deps.ts';
import { closeTunnel } from './vm.ts';

/** Building takes a while; the daemon may die in it: the builder's own work is atomic and a later build starts again. */
export const buildImage: Executor<'build_image'> = async ({ store, images, clock, log }, { disk: key }) => {
  const disk = store.disks.get(key);
  if (disk === null || disk.phase === 'ready' || disk.phase === 'leaving') return;
  store.disks.update(key, { phase: 'building', since: clock.now(), progress: 'starting', failure: null });
  try {
    const built = await images.build((progress) => store.disks.update(key, { progress }));
    if (built.key !== key) {
      throw new FleetError(
        'image_failed',
        `This version builds the image \`${built.key}\`; \`${key}\` can be made no more.`,
        {
          remedy: 'Tasks that stand on it go on with the new one after: ralph-fleet task retry TASK',
        },
      );
    }
    store.tx(() => {
      store.disks.update(key, {
        phase: 'ready',
        path: built.path,
        boot: built.boot,
        progress: null,
        since: clock.now(),
      });
      store.events.add('image.ready', key, `The ${images.name} image is there.`);
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    log.warn({ err: error, disk: key }, 'building the image failed');
    failDiskRow({ store, clock }, disk, formatError(error));
  }
};

export const startSetup: Executor<'start_setup'> = async (deps, { disk: key, vm: id }) => {
  const { store, guests } = deps;
  const disk = store.disks.get(key);
  const at = readyVm(deps, id);
  const setup = disk === null ? null : recipeOf(deps, disk);
  if (disk === null || disk.phase === 'leaving' || at === null || setup === null) return;
  const kinds = new Set<RegistryKind>(setup.registries.filter(isRegistryKind));
  if (setup.packages.length > 0) kinds.add('debian');
  if (kinds.size > 0) {
    // No agent was ever in this VM: what it may reach besides, it may reach now only.
    const endpoint = deps.driver.endpoint(id, 'gateway');
    await deps.gateway.openTunnel({ id, endpoint, hostKey: at.address.hostKey });
    await deps.gateway.openRegistries(id, [...kinds], deps.clock.now() + setup.timeoutSeconds * 1000);
  }
  store.disks.update(key, { phase: 'building', progress: `setup: ${said(setup)}` });
  await guests.startJob(at.address, {
    id: setupJobId(id),
    kind: 'setup',
    user: ralphUser,
    title: 'setup',
    cwd: `/home/${ralphUser}/${workspaceFolder}`,
    argv: ['/bin/sh', '-c', commandOf(setup)],
    checks: [],
    env: kinds.has('npm') ? npmEnvironment : {},
    files: [],
    paneFilter: null,
    timeoutSeconds: setup.timeoutSeconds,
    maxStreamBytes: 64 * 1024 * 1024,
  });
};

type Recipe = Pick<DiskRecipe, 'packages' | 'run' | 'timeoutSeconds' | 'registries'>;

/** A row of an earlier version has none of its own. */
function recipeOf({ store }: ExecuteDeps, disk: Disk): Recipe | null {
  if (disk.recipe !== null) return disk.recipe;
  const settings = disk.project === null ? undefined : store.projects.get(disk.project)?.settings;
  const setup = settings === undefined ? null : setupOf(settings);
  return setup === null ? null : { ...setup, registries: settings?.registries ?? [] };
}

function said({ packages, run }: Recipe): string {
  return [...(packages.length === 0 ? [] : [`packages ${packages.join(' ')}`]), ...(run === null ? [] : [run])].join(
    ', ',
  );
}

/** The packages first: what the project runs may need them. */
function commandOf({ packages, run }: Recipe): string {
  const archive = `${guestGatewayUrl}${registryPath('debian')}`;
  const install =
    packages.length === 0 ? null : quoteCommand(['sudo', `${scriptsFolder}/ralph-packages`, archive, ...packages]);
  return [install, run].filter((line) => line !== null).join(' || exit\n');
}

/** `always`: lock files name the registry of whoever wrote them. What npm would tell or ask beyond packages is off. */
const npmEnvironment: Record<string, string> = {
  npm_config_registry: `${guestGatewayUrl}${registryPath('npm')}`,
  npm_config_replace_registry_host: 'always',
  npm_config_audit: 'false',
  npm_config_fund: 'false',
  npm_config_update_notifier: 'false',
};

/** The setup ended: its disk is copied aside once the VM is off; a failed one says why. */
export const sealDisk: Executor<'seal_disk'> = async (deps, { disk: key, vm: id }) => {
  const { store, guests, driver, clock } = deps;
  const disk = store.disks.get(key);
  const vm = store.vms.get(id);
  if (disk === null || vm === null || disk.phase === 'ready' || disk.phase === 'leaving') return;
  const at = readyVm(deps, id);
  if (at !== null) {
    const job = (await guests.jobs(at.address)).find((each) => each.id === setupJobId(id));
    if (job === undefined || job.state === 'running') return;
    if (job.end?.exitCode !== 0) {
      const from = Math.max(0, job.streamBytes - 2000);
      const tail = new TextDecoder().decode(await guests.readStream(at.address, job.id, from, 2000));
      const hint = sayNoNetwork(tail, recipeOf(deps, disk)?.registries ?? []);
      const why = hint === null ? '' : `\n${hint}`;
      failDiskRow(deps, disk, `the project's setup failed (${describeEnd(job.end)}):\n${tail.trimEnd()}${why}`);
      return;
    }
    await closeTunnel(deps, id);
    await guests.seal(at.address);
    store.moveVm(id, 'stopping');
  }
  guests.forget(id);
  await driver.stop(id, 30_000);
  const stopped = store.vms.get(id);
  if (stopped?.phase === 'stopping') store.moveVm(id, 'stopped', { stage: null });
  const path = deps.preparedPath(key);
  await driver.exportDisk(id, path);
  const image = disk.backing === null ? null : store.disks.get(disk.backing);
  store.tx(() => {
    if (store.disks.get(key)?.phase === 'leaving') return;
    store.disks.update(key, { phase: 'ready', path, boot: image?.boot ?? null, progress: null, since: clock.now() });
    store.events.add('disk.ready', key, `The prepared disk of ${disk.project} is there.`);
  });
};

export const failDisk: Executor<'fail_disk'> = async (deps, { disk: key, reason }) => {
  const disk = deps.store.disks.get(key);
  if (disk !== null && disk.phase !== 'ready' && disk.phase !== 'leaving') failDiskRow(deps, disk, reason);
};

/** In this order, so that a kill between leaves a row that says what is still to go. */
export const dropDisk: Executor<'drop_disk'> = async (deps, { disk: key }) => {
  const { store, driver } = deps;
  const disk = store.disks.get(key);
  if (disk?.phase !== 'leaving') return;
  if (usersOf(disk, store.alive).length > 0) {
    // Somebody asked for it in the very moment it was given up.
    store.disks.update(key, { phase: 'wanted', attempts: 0, since: deps.clock.now() });
    return;
  }
  if (driver.canFork && disk.path !== null) {
    await driver.dropTemplate({ disk: key, base: disk.path, boot: disk.boot, size: deps.config().vms.size });
  }
  if (store.disks.get(key)?.phase !== 'leaving') return;
  await deps.removeDisk(disk);
  store.tx(() => {
    if (store.disks.get(key)?.phase !== 'leaving') return;
    store.disks.remove(key);
    store.events.add(
      'disk.removed',
      key,
      `The ${disk.kind === 'image' ? 'image' : `prepared disk of ${disk.project}`} is removed.`,
    );
  });
};

function failDiskRow({ store, clock }: Pick<ExecuteDeps, 'store' | 'clock'>, disk: Disk, failure: string): void {
  store.tx(() => {
    store.disks.update(disk.key, {
      phase: 'failed',
      failure,
      progress: null,
      attempts: disk.attempts + 1,
      since: clock.now(),
    });
    store.events.add('disk.failed', disk.key, failure);
  });
}

function describeEnd(end: { exitCode: number | null; timedOut: boolean } | null): string {
  if (end === null) return 'it left no end';
  return end.timedOut ? 'time limit' : `exit code ${end.exitCode ?? 'unknown'}`;
}
