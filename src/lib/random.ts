import { randomBytes } from 'node:crypto';

/** Randomness comes from here only, so that the simulation can replay it. */
export interface Random {
  /** Lower-case hexadecimal text of `bytes` random bytes (twice as many characters). */
  hex(bytes: number): string;
}

export function createSystemRandom(): Random {
  return { hex: (bytes) => randomBytes(bytes).toString('hex') };
}
