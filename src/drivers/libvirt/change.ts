import { FleetError } from '../../lib/errors.ts';
import type { Domain, ObserveDomains } from './domains.ts';
import type { Virsh, VirshOptions } from './virsh.ts';

/**
 * Runs a virsh command that changes a VM's domain, and believes what is seen afterwards, not what the command said: a reply may be lost,
 * come twice, or claim what was never done. `isDone` is asked about the domain as it is then, null when there is none of ours. Throws what
 * virsh threw, or `command_failed` where it claimed to have done it.
 */
export type Change = (
  id: string,
  argv: readonly string[],
  isDone: (domain: Domain | null) => boolean | Promise<boolean>,
  options?: VirshOptions,
) => Promise<void>;

export function createChange(virsh: Virsh, observe: ObserveDomains): Change {
  return async (id, argv, isDone, options = {}) => {
    const failure = await virsh(argv, options).then(
      () => null,
      (error: unknown) => error ?? new Error('no reason given'),
    );
    const domain = (await observe()).get(id);
    const own = domain?.isOurs ? domain : null;
    if (await isDone(own)) return;
    if (failure !== null) throw failure;
    const found = own === null ? 'there is no such VM' : `it is ${own.state}`;
    throw new FleetError('command_failed', `\`virsh ${argv[0]}\` of VM \`${id}\` claims to be done, but ${found}.`);
  };
}

export function isOff({ state }: Pick<Domain, 'state'>): boolean {
  return state === 'off' || state === 'crashed';
}
