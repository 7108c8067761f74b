import { type ReadinessStage, stageDeadlineMs, vmName } from '../domain/vm.ts';
import type { Driver, VmBase } from '../drivers/driver.ts';
import type { GuestAddress, Guests, VerifyReport } from '../guest/guest.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError, isFleetError } from '../lib/errors.ts';
import type { Log } from '../lib/log.ts';
import type { Random } from '../lib/random.ts';

export interface ImageVerifyDeps {
  /** With a mark of its own: no fleet takes these VMs for its own, and none of a fleet's is removed here. */
  driver: Driver;
  guests: Pick<Guests, 'ping' | 'identify' | 'verify' | 'forget'>;
  clock: Clock;
  random: Random;
  log: Log;
  /** Public half of the key `guests` logs in with. */
  authorizedKey: string;
  /** Ten in software emulation. */
  slowness: () => number;
}

export interface ImageReport extends VerifyReport {
  /** Key of the image that was booted. */
  key: string;
  /** From its start to the guest's answer. */
  ms: number;
}

const pollMs = 500;

/**
 * Boots the image in a VM of its own, as a fleet does (agent, host key, ssh, identity), asks `ralph-verify` what it finds, and removes the
 * VM. The same for the image of any builder. What an earlier look that was cut off has left goes first: one look at a time.
 */
export async function verifyImage(deps: ImageVerifyDeps, base: VmBase): Promise<ImageReport> {
  const { driver, clock } = deps;
  await removeLooks(deps);
  const id = deps.random.hex(4);
  const began = clock.now();
  try {
    await driver.create({ ...base, id, authorizedKey: deps.authorizedKey });
    await driver.start(id);
    const report = await lookInside(deps, id);
    return { ...report, key: base.disk, ms: clock.now() - began };
  } finally {
    deps.guests.forget(id);
    await driver
      .remove(id)
      .catch((err: unknown) => deps.log.warn({ vm: id, err }, 'the VM of a look at an image stays'));
  }
}

async function lookInside(deps: ImageVerifyDeps, id: string): Promise<VerifyReport> {
  const { driver, guests, clock } = deps;
  const within = <T>(stage: ReadinessStage, ask: () => Promise<T | null | false>) => stagePassed(deps, id, stage, ask);
  await within('guest-agent', () => driver.agentAnswers(id));
  const hostKey = await within('host-key', () => driver.hostKey(id));
  const address: GuestAddress = {
    id,
    control: driver.endpoint(id, 'control'),
    people: driver.endpoint(id, 'people'),
    hostKey,
  };
  await within('ssh-login', () => guests.ping(address).then(() => true as const));
  await within('identity', () => guests.identify(address, { hostname: vmName(id), now: clock.now() }));
  return await within('tools', () => guests.verify(address));
}

/** Asks until there is an answer. A guest that cannot be asked yet is asked again; any other error is the end. */
async function stagePassed<T>(
  deps: ImageVerifyDeps,
  id: string,
  stage: ReadinessStage,
  ask: () => Promise<T | null | false>,
): Promise<T> {
  const deadlineMs = stageDeadlineMs[stage] * deps.slowness();
  const until = deps.clock.now() + deadlineMs;
  for (;;) {
    const answer = await ask().catch((error: unknown) => {
      if (isFleetError(error, 'guest_unreachable') || isFleetError(error, 'guest_timed_out')) return null;
      throw error;
    });
    if (answer !== null && answer !== false) return answer;
    if (deps.clock.now() >= until) throw await tooLate(deps.driver, id, stage, deadlineMs);
    await deps.clock.sleep(pollMs);
  }
}

async function tooLate(driver: Driver, id: string, stage: ReadinessStage, deadlineMs: number): Promise<FleetError> {
  const tail = await driver.consoleTail(id, 1000).catch(() => '');
  const said = tail.trim() === '' ? 'its console shows nothing' : `its console ends with:\n${tail.trim()}`;
  return new FleetError(
    'image_failed',
    `A VM of this image did not pass stage \`${stage}\` within ${deadlineMs / 1000} s; ${said}`,
    { remedy: 'See whether VMs start at all (ralph-fleet doctor); if they do, build the image again.' },
  );
}

/** Takes away what looks that were cut off have left. */
export async function removeLooks({ driver, log }: Pick<ImageVerifyDeps, 'driver' | 'log'>): Promise<void> {
  for (const { id } of await driver.list()) {
    log.warn({ vm: id }, 'a VM of an earlier look at an image is removed');
    await driver.remove(id);
  }
}
