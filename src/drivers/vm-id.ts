import { FleetError } from '../lib/errors.ts';

const shape = /^[0-9a-f]{8}$/;

/** Ids become file names and domain names, so nothing but 8 hexadecimal digits gets through. */
export function assertVmId(id: string): void {
  if (isVmId(id)) return;
  throw new FleetError('bug', `A VM's id must be 8 hexadecimal digits; found \`${String(id).slice(0, 60)}\`.`);
}

export function isVmId(id: unknown): id is string {
  return typeof id === 'string' && shape.test(id);
}
