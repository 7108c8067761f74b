import type { Wall } from '../domain/fleet.ts';
import type { Clock } from '../lib/clock.ts';
import { FleetError } from '../lib/errors.ts';
import type { Exec } from '../lib/exec.ts';
import type { Log } from '../lib/log.ts';
import type { Paths } from '../lib/paths.ts';
import type { Driver } from './driver.ts';
import { createLibvirtDriver } from './libvirt/driver.ts';

/** The only file that names drivers. */
export const driverNames = ['libvirt'] as const;

export interface DriverParts {
  exec: Exec;
  paths: Paths;
  log: Log;
  clock: Clock;
}

export interface DriverChoice {
  /** `auto` or a name. */
  driver: string;
  /** The weakest wall allowed. */
  wall: Wall;
  /** The fleet's name. */
  name: string;
}

/** `auto` chooses by platform. A driver whose wall is weaker than asked for is refused, never taken silently. */
export function createDriver(
  choice: DriverChoice,
  parts: DriverParts,
  platform: NodeJS.Platform = process.platform,
): Driver {
  const name = choice.driver === 'auto' ? chooseFor(platform) : choice.driver;
  const driver = make(name, choice, parts);
  assertWall(driver, choice.wall);
  return driver;
}

function chooseFor(platform: NodeJS.Platform): string {
  if (platform === 'linux') return 'libvirt';
  throw new FleetError('refused', `\`driver: auto\` knows no driver for \`${platform}\`.`, {
    remedy: `Set \`driver\` in fleet.yaml to one of: ${driverNames.join(', ')}.`,
  });
}

function make(name: string, choice: DriverChoice, parts: DriverParts): Driver {
  switch (name) {
    case 'libvirt':
      return createLibvirtDriver({ ...parts, fleet: choice.name });
    default:
      throw new FleetError('invalid_file', `There is no driver \`${name}\`.`, {
        remedy: `Set \`driver\` in fleet.yaml to one of: auto, ${driverNames.join(', ')}.`,
      });
  }
}

/** Strongest first. */
const walls: readonly Wall[] = ['device', 'process', 'guest'];

export function assertWall(driver: Pick<Driver, 'name' | 'wall'>, weakest: Wall): void {
  if (walls.indexOf(driver.wall) <= walls.indexOf(weakest)) return;
  throw new FleetError(
    'refused',
    `Driver \`${driver.name}\` gives wall \`${driver.wall}\`; \`${weakest}\` is asked for.`,
    {
      remedy: `Choose another driver, or allow it by name: \`wall: ${driver.wall}\` in fleet.yaml.`,
    },
  );
}
