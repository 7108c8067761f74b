import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { createAgent } from '../agents/registry.ts';
import { createTranscripts } from './transcripts.ts';

type Newest = { iteration: string; agent: string; ended: boolean } | null;

function setup(newest: () => Newest, streams: Record<string, string> = {}) {
  const clock = createVirtualClock();
  const bytes = (id: string) => Buffer.from(streams[id] ?? '');
  const runs = {
    streamSize: async (id: string) => bytes(id).length,
    readStream: async (id: string, at: number, max: number) => bytes(id).subarray(at, at + max),
  };
  const transcripts = createTranscripts({ runs, clock, agent: createAgent, agentOf: () => 'scripted', newest });
  return { clock, transcripts };
}

const said = '{"type":"say","text":"hello"}\n';

it('of a Ralph without an iteration is empty at once', async () => {
  const { transcripts } = setup(() => null);
  const lines: string[] = [];
  const { signal } = new AbortController();
  for await (const line of transcripts.lines('r', { after: 0, follow: false, signal })) lines.push(line.text);
  expect(lines).toEqual([]);
});

it('followed from before the first iteration shows it when it comes', async () => {
  let newest: Newest = null;
  const stop = new AbortController();
  const { clock, transcripts } = setup(() => newest, { 'it-1': said });
  const seen: string[] = [];
  const all = (async () => {
    for await (const line of transcripts.lines('r', { after: 0, follow: true, signal: stop.signal })) {
      seen.push(line.text);
      stop.abort();
    }
  })();
  await clock.step();
  expect(seen).toEqual([]);
  newest = { iteration: 'it-1', agent: 'scripted', ended: false };
  await clock.step();
  await all;
  expect(seen).toEqual(['hello']);
});
