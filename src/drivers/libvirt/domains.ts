import { vmName } from '../../domain/vm.ts';
import { isFleetError } from '../../lib/errors.ts';
import type { VmState } from '../driver.ts';
import { isVmId } from '../vm-id.ts';
import { readMark } from './domain-xml.ts';
import { domainUuid, type Mark } from './mark.ts';
import { garbled, startLibvirt, unavailable, type Virsh } from './virsh.ts';

export interface Domain {
  id: string;
  /** Names it in every command: a person may have renamed it. */
  uuid: string;
  name: string;
  state: Exclude<VmState, 'partial' | 'diskless'>;
  /** Carries this fleet's mark. */
  isOurs: boolean;
}

/**
 * Every domain named like a VM of ours, or made by us and renamed since, by id. Asks in one go; unavailable or half an answer
 * throws, never looks empty.
 */
export type ObserveDomains = () => Promise<Map<string, Domain>>;

/** Printed last, so that half an answer is known as one. */
const sentinel = 'ralph-fleet-end';

export function createObserveDomains(virsh: Virsh, ours: Mark): ObserveDomains {
  // A mark never changes while its domain (uuid) lives, so its XML is read once.
  const marks = new Map<string, boolean>();
  return async () => {
    try {
      return await observe();
    } catch (cause) {
      if (isFleetError(cause, 'driver_unavailable') || !isFleetError(cause)) throw cause;
      throw unavailable('`virsh` could not say which VMs there are.', startLibvirt, cause);
    }
  };

  async function observe(): Promise<Map<string, Domain>> {
    const printed = await virsh([`list --all --uuid --name; domstats --state --raw; echo ${sentinel}`]);
    const listed = parseListing(printed);
    const domains = new Map<string, Domain>();
    for (const { uuid, name, state } of listed) {
      const id = idOf(ours, { uuid, name });
      if (id === null) continue;
      const isOurs = marks.get(uuid) ?? (await readOwnership(virsh, ours, id, uuid));
      if (isOurs === null) continue;
      marks.set(uuid, isOurs);
      // Whoever has taken the name of a renamed one of ours does not hide it.
      if (isOurs || !domains.get(id)?.isOurs) domains.set(id, { id, uuid, name, state, isOurs });
    }
    const alive = new Set(listed.map((one) => one.uuid));
    for (const uuid of marks.keys()) if (!alive.has(uuid)) marks.delete(uuid);
    return domains;
  }
}

/** By its name, or where that was changed by the uuid we gave it. */
function idOf(ours: Mark, { uuid, name }: { uuid: string; name: string }): string | null {
  const named = name.slice('rf-'.length);
  if (isVmId(named) && name === vmName(named)) return named;
  const made = uuid.slice(0, 8);
  return uuid === domainUuid(ours, made) ? made : null;
}

/** Null when it is gone meanwhile. */
async function readOwnership(virsh: Virsh, ours: Mark, id: string, uuid: string): Promise<boolean | null> {
  const xml = await virsh(['dumpxml', uuid]).catch((error: unknown) => {
    if (isFleetError(error, 'command_failed') && /failed to get domain/.test(error.message)) return null;
    throw error;
  });
  if (xml === null) return null;
  try {
    const mark = readMark(xml);
    return mark !== null && mark.fleet === ours.fleet && mark.home === ours.home && mark.id === id;
  } catch (cause) {
    throw garbled('dumpxml', cause);
  }
}

type Listed = Pick<Domain, 'uuid' | 'name' | 'state'>;

const listLine = /^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}) (.+?)\s*$/;

/** Reads `list --all --uuid --name; domstats --state --raw; echo <sentinel>`. Any line it does not know is refused. */
export function parseListing(printed: string): Listed[] {
  if (!printed.endsWith(sentinel)) throw garbled('list', new Error('the end of the output is missing'));
  const lines = printed.slice(0, -sentinel.length).split('\n');
  const names = new Map<string, string>();
  const states = new Map<string, Map<string, number>>();
  let current: Map<string, number> | null = null;
  for (const line of lines) {
    if (line.trim() === '') continue;
    const listed = listLine.exec(line);
    const heading = /^Domain: '(.+)'$/.exec(line);
    const field = /^ {2}(state\.(?:state|reason))=(\d+)$/.exec(line);
    if (listed?.[1] && listed[2] && current === null) {
      names.set(listed[1], listed[2]);
    } else if (heading?.[1]) {
      current = new Map();
      states.set(heading[1], current);
    } else if (field?.[1] && field[2] && current !== null) {
      current.set(field[1], Number(field[2]));
    } else {
      throw garbled('list', new Error(`unknown line: ${JSON.stringify(line.slice(0, 200))}`));
    }
  }
  return [...names].map(([uuid, name]) => ({ uuid, name, state: readState(states.get(name)) }));
}

/** Numbers of virDomainState and virDomainShutoffReason (libvirt-domain.h). */
function readState(fields: Map<string, number> | undefined): Domain['state'] {
  const crashedReason = 3;
  switch (fields?.get('state.state')) {
    case 1: // running
    case 2: // blocked
    case 4: // being shut down
      return 'running';
    case 3:
    case 7: // suspended by its own power management
      return 'paused';
    case 5:
      return fields.get('state.reason') === crashedReason ? 'crashed' : 'off';
    case 6:
      return 'crashed';
    default:
      return 'unknown';
  }
}
