import { credentialCheck } from './checks/credential.ts';
import { diskCheck, memoryCheck } from './checks/room.ts';
import { clockCheck, socketPathCheck, stateFolderCheck } from './checks/state.ts';
import {
  gitCheck,
  jjCheck,
  limactlCheck,
  nodeCheck,
  qemuCheck,
  sshCheck,
  tmuxCheck,
  virshCheck,
} from './checks/tools.ts';
import { cacheCheck, leftoversCheck, orphansCheck, privacyCheck, snapshotsCheck } from './checks/upkeep.ts';
import { accelerationCheck, driverCheck, imageCheck } from './checks/virtualisation.ts';
import type { PreflightCheck } from './preflight.ts';

/** Every check for this kind of host, in the order people read them. */
export function preflightChecks(host: { platform: NodeJS.Platform; arch: string }): PreflightCheck[] {
  const hypervisor = host.platform === 'darwin' ? [limactlCheck] : [virshCheck, qemuCheck(host.arch)];
  return [
    accelerationCheck,
    driverCheck,
    ...hypervisor,
    memoryCheck,
    diskCheck,
    gitCheck,
    jjCheck,
    tmuxCheck,
    sshCheck,
    nodeCheck,
    imageCheck,
    cacheCheck,
    orphansCheck,
    snapshotsCheck,
    credentialCheck,
    stateFolderCheck,
    privacyCheck,
    leftoversCheck,
    socketPathCheck,
    clockCheck,
  ];
}
