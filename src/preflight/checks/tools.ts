import type { PreflightCheck } from '../preflight.ts';
import { isAtLeast, parseVersion } from '../version.ts';
import { toolCheck } from './tool.ts';

export const nodeCheck: PreflightCheck = {
  id: 'node',
  title: 'node',
  why: 'ralph-fleet itself runs on Node 24',
  async run({ nodeVersion, setupCommand }) {
    const version = parseVersion(nodeVersion);
    if (version !== null && isAtLeast(version, [24])) return { state: 'ok', found: `node ${nodeVersion}` };
    return { state: 'fail', found: `node ${nodeVersion}; 24 or newer is needed`, remedy: setupCommand };
  },
};

export const gitCheck = toolCheck({
  id: 'git',
  why: 'every change is a git commit',
  argv: ['git', '--version'],
  least: [2, 38],
});

export const jjCheck = toolCheck({
  id: 'jj',
  why: 'each task is one Jujutsu change',
  argv: ['jj', '--version'],
  least: [0, 30],
});

export const tmuxCheck = toolCheck({
  id: 'tmux',
  why: 'you watch a Ralph by attaching to its tmux',
  argv: ['tmux', '-V'],
  least: [3, 2],
});

export const sshCheck = toolCheck({
  id: 'ssh',
  why: 'the host talks to a VM over ssh',
  argv: ['ssh', '-V'],
  least: [8, 0],
});

export const virshCheck = toolCheck({
  id: 'virsh',
  why: 'VMs on Linux are made through libvirt',
  argv: ['virsh', '--version'],
  least: [9, 0],
  good: [11, 0],
  worse: 'older ones are not tested',
});

export const limactlCheck = toolCheck({
  id: 'limactl',
  why: 'VMs on macOS are made through Lima',
  argv: ['limactl', '--version'],
  least: [1, 0],
});

export function qemuCheck(arch: string): PreflightCheck {
  return toolCheck({
    id: 'qemu',
    why: 'libvirt runs each VM in QEMU',
    argv: [arch === 'arm64' ? 'qemu-system-aarch64' : 'qemu-system-x86_64', '--version'],
    least: [8, 0],
    good: [10, 0],
    worse: 'older ones are not tested',
  });
}
