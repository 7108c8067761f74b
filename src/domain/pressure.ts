import { ballastMiB, type DiskLook, type HostLook, type KeptFree, keptDiskMiB, sayMiB } from './host.ts';

/**
 * The host is short of something.
 *
 *   tight   nothing new is begun; warm VMs and templates on their way are given back
 *   short   running VMs are frozen, each after its work was saved; the ballast is freed for that
 *   gone    they are frozen at once: what they hold stays in them
 *
 * It ends at more than it began with, so that a fleet does not freeze and thaw in turns: on the disk of the state folder the missing
 * ballast remembers that it was short, also over a restart; elsewhere the VMs that are frozen do.
 */
export interface Pressure {
  of: 'disk' | 'memory';
  level: PressureLevel;
  /** What is short, for people. */
  what: string;
  freeMiB: number;
  /** It ends with so much free; null where only the kernel can say. */
  neededMiB: number | null;
  since: number;
}

const levels = ['tight', 'short', 'gone'] as const;
export type PressureLevel = (typeof levels)[number];

/** Time in which all programs wait for memory, in per cent: more than this and a further VM would not get on. */
const stalledPercent = 20;

/** The worst of what the look shows. `isHolding`: VMs are frozen now. */
export function findPressure(look: HostLook, keep: KeptFree, isHolding: boolean): Omit<Pressure, 'since'> | null {
  const found = [...look.disks.flatMap((disk) => diskPressure(disk, look, keep, isHolding) ?? [])];
  const memory = memoryPressure(look, keep, isHolding);
  if (memory !== null) found.push(memory);
  return found.toSorted((a, b) => levels.indexOf(b.level) - levels.indexOf(a.level))[0] ?? null;
}

function diskPressure(
  { path, uses, freeMiB }: DiskLook,
  { hasBallast }: HostLook,
  keep: KeptFree,
  isHolding: boolean,
): Omit<Pressure, 'since'> | null {
  const keptMiB = keptDiskMiB(keep);
  const isOfState = uses.includes('state');
  const neededMiB = isOfState ? keptMiB + 2 * ballastMiB(keep) : keptMiB * 1.25;
  const goesOn = isOfState ? !hasBallast : isHolding;
  if (freeMiB >= (goesOn ? neededMiB : keptMiB)) return null;
  const isWrittenByVms = isOfState || uses.includes('vms');
  const level = !isWrittenByVms ? 'tight' : freeMiB < keptMiB / 4 ? 'gone' : 'short';
  const whose = isOfState ? 'state folder' : uses.includes('vms') ? 'VMs’ folder' : 'images';
  const full = level === 'gone' ? 'full' : 'almost full';
  const what = `the disk of the ${whose} is ${full}: ${sayMiB(freeMiB)} free at ${path}`;
  return { of: 'disk', level, what, freeMiB, neededMiB };
}

function memoryPressure(
  { memory }: HostLook,
  { keepFreeMemoryMiB: keptMiB }: KeptFree,
  isHolding: boolean,
): Omit<Pressure, 'since'> | null {
  if (memory === null) return null;
  const { availableMiB: freeMiB, stalledPercent: stalled } = memory;
  if (freeMiB < keptMiB) {
    const level = isHolding || freeMiB < keptMiB / 2 ? 'short' : 'tight';
    const what = `the host is short of memory: ${sayMiB(freeMiB)} free`;
    return { of: 'memory', level, what, freeMiB, neededMiB: keptMiB };
  }
  if (stalled === null || stalled < stalledPercent) return null;
  const what = `programs on this host wait for memory ${Math.round(stalled)} % of the time`;
  return { of: 'memory', level: 'tight', what, freeMiB, neededMiB: null };
}

/** VMs may not run on. */
export function isHolding(pressure: Pressure | null): pressure is Pressure {
  return pressure !== null && pressure.level !== 'tight';
}

/** What is short, what that does, and when it ends. */
export function sayPressure(pressure: Pick<Pressure, 'level' | 'what' | 'neededMiB'>): string {
  const does = pressure.level === 'tight' ? 'nothing new is started' : 'VMs are frozen, with the work in them,';
  const until = pressure.neededMiB === null ? 'that is over' : `${sayMiB(pressure.neededMiB)} are free`;
  return `${pressure.what}; ${does} until ${until}`;
}

/** As people should see it; one that holds VMs needs a person. */
export function pressureProblems(pressure: Pressure | null) {
  if (pressure === null) return [];
  const remedy =
    pressure.of === 'disk'
      ? 'free some space: ralph-fleet gc; df -h shows where'
      : 'close something, or ask for less: `vms` and `roles` in fleet.yaml';
  return [
    {
      id: pressure.of,
      what: sayPressure(pressure),
      since: pressure.since,
      remedy,
      vm: null,
      severity: isHolding(pressure) ? ('error' as const) : ('warning' as const),
    },
  ];
}
