import type { JobSpec } from '../../src/guest/guest.ts';
import type { Dice } from './random.ts';

/** How an implementer's run goes, decided at its start: mostly progress, sometimes none, and all the ways to fall short. */
export interface Played {
  tree: string | null;
  signal: string;
  exitCode: number;
  /** It neither prints nor calls nor ends: only a stop ends it. */
  isSilent: boolean;
}

export function playImplementer(dice: Dice, spec: JobSpec): Played {
  const said = (verb: string, more: object) => JSON.stringify({ nonce: spec.env['RALPH_NONCE'] ?? '', verb, ...more });
  const none: Played = { tree: null, signal: '', exitCode: 0, isSilent: false };
  const question = { question: dice.pick(['q', 'Q?', 'other']), options: dice.pick([[], ['x', 'y']]) };
  if (dice.chance(0.06)) return { ...none, signal: said('ask', { ...question, blocking: true }) };
  if (dice.chance(0.05)) return { ...none, exitCode: 1 };
  const isFinished = dice.chance(0.5);
  const tree = dice.chance(0.9) ? `${isFinished ? 'good' : 'bad'} ${spec.id}` : null;
  if (dice.chance(0.04)) return { ...none, tree, isSilent: true };
  const verb = dice.pick(['done', 'done', 'partial', 'stuck', 'none'] as const);
  const words = { done: { summary: 's' }, partial: { summary: 's', remaining: 'r' }, stuck: { reason: 'r' } };
  const aside = dice.chance(0.08) ? `${said('ask', { ...question, blocking: false })}\n` : '';
  return { ...none, tree, signal: `${aside}${verb === 'none' ? '' : said(verb, words[verb])}` };
}
