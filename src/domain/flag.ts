import { sha256 } from '../lib/digest.ts';
import type { Flag } from './iteration.ts';

/** What an agent wants a person to know, beside its task. A high one asks for the person until it was seen. */
export interface RaisedFlag extends Flag {
  /** `fl-<8 hex>`, made of what it says, so that the same flag is raised once. */
  id: string;
  task: string;
  project: string;
  iteration: string;
  ralph: string;
  at: number;
  seen: boolean;
}

/** One task raises no more. */
export const maxFlags = 50;

export function flagId(task: string, { what }: Flag): string {
  return `fl-${sha256(JSON.stringify([task, what.toLowerCase().replace(/\s+/g, ' ').trim()])).slice(0, 8)}`;
}
