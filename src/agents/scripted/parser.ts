import { z } from 'zod';
import { cleanLine, cleanText } from '../../lib/clean-text.ts';
import type { StreamParser } from '../agent.ts';
import {
  createJsonLineParser,
  doingText,
  type LineMeaning,
  maxDetailChars,
  maxItemChars,
} from '../json-line-parser.ts';

/** What `ralph-scripted` prints, one JSON object a line. */
const lineSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('start') }),
  z.object({ type: z.literal('say'), text: z.string() }),
  z.object({ type: z.literal('tool'), name: z.string(), detail: z.string() }),
  z.object({ type: z.literal('tool-result'), ok: z.boolean(), text: z.string() }),
  z.object({ type: z.literal('end') }),
]);

export function createScriptedParser(): StreamParser {
  return createJsonLineParser((line) => {
    const parsed = lineSchema.safeParse(line);
    return parsed.success ? meaningOf(parsed.data) : null;
  });
}

function meaningOf(line: z.infer<typeof lineSchema>): LineMeaning {
  switch (line.type) {
    case 'start':
      return { summary: { doing: 'starts' } };
    case 'say':
      return { items: [{ kind: 'text', text: cleanText(line.text, maxItemChars) }], summary: { doing: 'thinks' } };
    case 'tool': {
      const detail = cleanLine(line.detail, maxDetailChars);
      const name = cleanLine(line.name, 40);
      return { items: [{ kind: 'tool', name, detail }], summary: { doing: doingText(name, detail) } };
    }
    case 'tool-result':
      return { items: [{ kind: 'tool-result', ok: line.ok, text: cleanText(line.text, maxItemChars) }] };
    case 'end':
      return {
        summary: {
          doing: null,
          result: { isError: false, subtype: 'end', text: '', apiStatus: null, terminalReason: 'completed' },
        },
      };
  }
}
