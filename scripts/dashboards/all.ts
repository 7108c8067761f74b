import { control } from './control.ts';
import { fleet } from './fleet.ts';
import { gas } from './gas.ts';
import type { Dashboard } from './panel.ts';
import { ralph } from './ralph.ts';
import { vms } from './vms.ts';
import { waiting } from './waiting.ts';

/** By file name below telemetry/grafana, in the order the links show them. */
export const dashboards: Readonly<Record<string, Dashboard>> = { fleet, ralph, gas, waiting, vms, control };
