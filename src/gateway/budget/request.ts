import { createJsonMembers, type JsonMembers } from '../../lib/json-members.ts';
import type { Api } from '../apis.ts';
import { isFast } from '../meter/responses.ts';

/** What a request says of its cost, read from its body. A hostile agent writes it: nothing is believed that could be read two ways. */
export interface RequestFacts {
  model: string;
  /** Most output asked for, of all choices together; null = as much as the model gives. */
  outputTokens: number | null;
  /** Below this the output limit may not be lowered. */
  floorTokens: number;
  choices: number;
  /** Bytes of what may become input: no token is less than one. Images count apart. */
  inputBytes: number;
  images: number;
  /** More goes in than stands here: files, earlier answers, tools that the provider runs. */
  isOpenEnded: boolean;
  webSearches: number;
  cacheWrites: 'none' | 'short' | 'long';
  fast: boolean;
  inRegion: boolean;
  /** Of the tools it offers the model. */
  toolNames: readonly string[];
  /** Where the output limits stand in the body. */
  limits: readonly { start: number; end: number }[];
}

export type RequestRead = { ok: true; facts: RequestFacts } | { ok: false; why: string };

const leastOutput = 1024;
/** Searches of a tool that names no limit. */
const searchesWithoutLimit = 20;
const maxChoices = 128;

export function readRequest({ request: words }: Api, body: Buffer): RequestRead {
  const members = createJsonMembers(words.paths);
  members.push(body);
  if (members.state() !== 'whole') return { ok: false, why: 'The body is not one JSON object in UTF-8.' };
  const asked = [...words.outputLimits, words.thinking ?? '', words.choices ?? ''].filter((path) => path !== '');
  const named = ['model', words.tier, ...asked, ...words.references, ...words.refused, words.toolTypes];
  const repeated = named.find((path) => members.get(path)?.isRepeated);
  if (repeated !== undefined) return { ok: false, why: `\`${repeated}\` stands twice in the body.` };
  const wrong = asked.find((path) => !isWhole(textOf(members, path)));
  if (wrong !== undefined) return { ok: false, why: `\`${wrong}\` must be a whole number.` };
  const refused = words.refused.find((path) => isSet(textOf(members, path)));
  if (refused !== undefined) return { ok: false, why: `\`${refused}\` is not passed on: it could not be metered.` };
  const number = (path: string | null) => (path === null ? null : wholeOf(textOf(members, path)));
  const choices = Math.max(1, number(words.choices) ?? 1);
  if (choices > maxChoices) return { ok: false, why: `\`${words.choices}\` is at most ${maxChoices}.` };
  const limits = words.outputLimits.flatMap((path) => number(path) ?? []);
  const outputTokens = limits.length === 0 ? null : Math.max(...limits) * choices;
  const media = readMedia(words.media, members);
  const tier = stringOf(textOf(members, words.tier));
  return {
    ok: true,
    facts: {
      model: stringOf(textOf(members, 'model')) ?? '',
      outputTokens,
      floorTokens: Math.max(leastOutput, (number(words.thinking) ?? -1) + 1) * choices,
      choices,
      inputBytes: body.length - members.escapes() - media.bytes,
      images: media.images,
      isOpenEnded:
        media.isOpenEnded || words.references.some((path) => isSet(textOf(members, path))) || runsTools(words, members),
      webSearches: searches(words, members),
      cacheWrites: cacheWrites(body),
      fast: isFast(tier),
      inRegion: words.region !== null && isSet(textOf(members, words.region)),
      toolNames: members.get('tools[].name')?.texts.flatMap((text) => stringOf(text) ?? []) ?? [],
      limits: words.outputLimits.flatMap((path) => spanOf(members, path)),
    },
  };
}

/** The body with this output limit, otherwise byte for byte as it was. */
export function withOutputLimit({ request: words }: Api, body: Buffer, facts: RequestFacts, tokens: number): Buffer {
  const each = String(Math.floor(tokens / facts.choices));
  const pieces: Buffer[] = [];
  let at = 0;
  for (const { start, end } of [...facts.limits].sort((a, b) => a.start - b.start)) {
    pieces.push(body.subarray(at, start), Buffer.from(each));
    at = end;
  }
  if (facts.limits.length > 0) return Buffer.concat([...pieces, body.subarray(at)]);
  const inside = body.indexOf('{') + 1;
  return Buffer.concat([
    body.subarray(0, inside),
    Buffer.from(`"${words.outputLimits[0]}":${each},`),
    body.subarray(inside),
  ]);
}

function textOf(members: JsonMembers, path: string): string | undefined {
  return members.get(path)?.texts.at(-1);
}

function isSet(text: string | undefined): boolean {
  return text !== undefined && text !== 'null' && text !== 'false';
}

function isWhole(text: string | undefined): boolean {
  return text === undefined || text === 'null' || /^\d{1,9}$/.test(text);
}

function wholeOf(text: string | undefined): number | null {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : null;
}

function stringOf(text: string | undefined): string | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return typeof value === 'string' ? value.slice(0, 200) : null;
  } catch {
    return null;
  }
}

function spanOf(members: JsonMembers, path: string): { start: number; end: number }[] {
  const member = members.get(path);
  return member === null ? [] : [{ start: member.start, end: member.end }];
}

/** Images have a bound of their own, whatever their size; every other kind may hold more text than bytes. */
function readMedia(places: Api['request']['media'], members: JsonMembers) {
  const sum = { bytes: 0, images: 0, isOpenEnded: false };
  for (const { kind, data } of places) {
    const found = members.get(data);
    if (found === null) continue;
    const kinds = (kind === null ? found : members.get(kind))?.texts.map((it) => it.slice(0, 40).toLowerCase()) ?? [];
    if (found.count > kinds.length || found.isRepeated) sum.isOpenEnded = true;
    else if (kind === null) {
      sum.images += found.count;
      sum.bytes += found.bytes;
    } else if (kinds.every((it) => it.startsWith('"image/'))) {
      sum.images += kinds.length;
      sum.bytes += found.bytes;
    } else if (!kinds.every((it) => it === '"text/plain"')) sum.isOpenEnded = true;
  }
  return sum;
}

function runsTools(words: Api['request'], members: JsonMembers): boolean {
  const types = members.get(words.toolTypes);
  if (types === null) return false;
  return types.count > types.texts.length || !types.texts.every((text) => words.ownTools.test(stringOf(text) ?? ''));
}

function searches(words: Api['request'], members: JsonMembers): number {
  const tools = members.get(words.toolTypes)?.texts.filter((text) => text.startsWith('"web_search')).length ?? 0;
  if (tools === 0) return 0;
  const limits = members.get('tools[].max_uses')?.texts.map((text) => wholeOf(text) ?? searchesWithoutLimit) ?? [];
  return Math.max(
    tools * (limits.length === 0 ? searchesWithoutLimit : 0),
    limits.reduce((sum, it) => sum + it, 0),
  );
}

/** Writing into the provider's cache costs more. A name spelt with escapes could hide it, so such a body counts as the dearest. */
function cacheWrites(body: Buffer): RequestFacts['cacheWrites'] {
  if (['4', '5', '6', '7'].some((digit) => body.includes(`\\u00${digit}`))) return 'long';
  if (body.includes('cache_retention')) return 'long';
  if (!body.includes('cache_control')) return 'none';
  return body.includes('1h') ? 'long' : 'short';
}
