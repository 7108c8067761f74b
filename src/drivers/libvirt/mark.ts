import { sha256 } from '../../lib/digest.ts';

/** Whose VM it is. `home` tells fleets of one name with different state folders apart. */
export interface Mark {
  fleet: string;
  home: string;
}

/**
 * The uuid of a VM's domain: its id first, then whose it is. The same each time it is defined, so that a domain a person has
 * renamed is still found, and no second one can be defined on its disk. Shaped as RFC 9562, version 8.
 */
export function domainUuid(mark: Mark, id: string): string {
  const hex = sha256(JSON.stringify([mark.fleet, mark.home, id]));
  return `${id}-${hex.slice(0, 4)}-8${hex.slice(4, 7)}-8${hex.slice(7, 10)}-${hex.slice(10, 22)}`;
}
