import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '../../lib/atomic-file.ts';
import type { Exec } from '../../lib/exec.ts';
import { kvmPayload, payloadExitCode } from './kvm-payload.ts';

export type Accel = 'kvm' | 'tcg';

/**
 * `/dev/kvm` may exist and yet run no kernel (nested and emulated hosts), so a small firmware is started that enters 64-bit
 * mode with paging, computes with SSE2, and ends QEMU with an exit code of its own. Anything else than that code is `tcg`.
 * The firmware stays in the cache folder, so that nothing temporary is left by whoever is killed meanwhile.
 */
export async function probeAccel(exec: Exec, cache: string, deadlineMs = 5000): Promise<Accel> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'tcg';
  const firmware = join(cache, 'kvm-probe.bin');
  try {
    await mkdir(cache, { recursive: true });
    await writeFileAtomic(firmware, kvmPayload());
    const machine = ['-machine', 'q35,accel=kvm', '-cpu', 'host', '-m', '16'];
    const bare = ['-nodefaults', '-no-user-config', '-display', 'none'];
    const exit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04'];
    await exec(['qemu-system-x86_64', ...bare, ...machine, '-bios', firmware, ...exit], {
      timeoutMs: deadlineMs,
      okExitCodes: [payloadExitCode],
      maxBytes: 1024 * 1024,
    });
    return 'kvm';
  } catch {
    return 'tcg';
  }
}
