import type { Provider } from '../domain/credential.ts';
import { compilePaths, type Paths } from '../lib/json-members.ts';
import { chat } from './meter/chat.ts';
import { messages } from './meter/messages.ts';
import type { Dialect } from './meter/meter.ts';
import { responses } from './meter/responses.ts';

/** The model APIs that are passed through: where they stand, what a request of theirs says of its cost, how answers tell usage. */
export interface Api {
  name: 'messages' | 'responses' | 'chat';
  provider: Provider;
  path: string;
  dialect: Dialect;
  request: RequestWords;
}

/** Where a request says what. The paths are those of `compilePaths`. */
export interface RequestWords {
  paths: Paths;
  /** Names of the output limit; the first is written where none stands. */
  outputLimits: readonly string[];
  thinking: string | null;
  choices: string | null;
  tier: string;
  region: string | null;
  toolTypes: string;
  /** Tools that the agent itself runs; others run at the provider, and what they read costs too. */
  ownTools: RegExp;
  /** With one of these, more goes into the model than stands in the body. */
  references: readonly string[];
  /** Kinds of media beside their data, and the data. */
  media: readonly { kind: string | null; data: string }[];
  /** Answers that end before they have cost what they cost cannot be metered. */
  refused: readonly string[];
}

const sources = ['messages[].content[].source', 'messages[].content[].content[].source'];
const everywhere = ['model', 'tools[].name', 'tools[].type', 'tools[].max_uses'];

function words(given: Omit<RequestWords, 'paths'>): RequestWords {
  const media = given.media.flatMap(({ kind, data }) => (kind === null ? [data] : [kind, data]));
  const single = [given.thinking, given.choices, given.region].filter((path) => path !== null);
  const paths = [
    ...everywhere,
    ...given.outputLimits,
    ...single,
    given.tier,
    ...given.references,
    ...media,
    ...given.refused,
  ];
  return { ...given, paths: compilePaths(paths) };
}

const list: readonly Api[] = [
  {
    name: 'messages',
    provider: 'anthropic',
    path: '/v1/messages',
    dialect: messages,
    request: words({
      outputLimits: ['max_tokens'],
      thinking: 'thinking.budget_tokens',
      choices: null,
      tier: 'speed',
      region: 'inference_geo',
      toolTypes: 'tools[].type',
      ownTools: /^(custom|bash_\d+|text_editor_\d+|computer_\d+|memory_\d+)$/,
      references: ['mcp_servers', 'container', ...sources.flatMap((at) => [`${at}.url`, `${at}.file_id`])],
      media: sources.map((at) => ({ kind: `${at}.media_type`, data: `${at}.data` })),
      refused: [],
    }),
  },
  {
    name: 'responses',
    provider: 'openai',
    path: '/v1/responses',
    dialect: responses,
    request: words({
      outputLimits: ['max_output_tokens'],
      thinking: null,
      choices: null,
      tier: 'service_tier',
      region: null,
      toolTypes: 'tools[].type',
      ownTools: /^(function|custom|local_shell|shell|apply_patch)$/,
      references: [
        'previous_response_id',
        'conversation',
        'prompt',
        ...['file_id', 'file_url', 'file_data'].map((name) => `input[].content[].${name}`),
        'input[].id',
      ],
      media: [
        { kind: null, data: 'input[].content[].image_url' },
        { kind: null, data: 'input[].output[].image_url' },
      ],
      refused: ['background'],
    }),
  },
  {
    name: 'chat',
    provider: 'openai',
    path: '/v1/chat/completions',
    dialect: chat,
    request: words({
      outputLimits: ['max_completion_tokens', 'max_tokens'],
      thinking: null,
      choices: 'n',
      tier: 'service_tier',
      region: null,
      toolTypes: 'tools[].type',
      ownTools: /^(function|custom)$/,
      references: [
        'web_search_options',
        'prediction',
        'audio',
        'messages[].content[].file',
        'messages[].content[].input_audio',
      ],
      media: [{ kind: null, data: 'messages[].content[].image_url.url' }],
      refused: [],
    }),
  },
];

export const apis: ReadonlyMap<string, Api> = new Map(list.map((api) => [`POST ${api.path}`, api]));
