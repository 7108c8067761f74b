import type { VmSize } from '../../domain/vm.ts';
import type { VmBase } from '../../drivers/driver.ts';
import { FleetError } from '../../lib/errors.ts';
import type { ExecuteDeps } from './deps.ts';

/** What a VM stands on, which is also what its template is known by. Throws `not_found` for a disk that is not there. */
export function baseOf({ store }: Pick<ExecuteDeps, 'store'>, key: string, size: VmSize): VmBase {
  const disk = store.disks.get(key);
  if (disk?.path) return { disk: key, base: disk.path, boot: disk.boot, size };
  throw new FleetError('not_found', `The disk \`${key}\` is not there.`);
}
