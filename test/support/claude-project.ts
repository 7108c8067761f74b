import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelRule } from '../fixtures/model-api.ts';
import { exec } from './fleet-home.ts';

const hello = `node -e 'require("http").createServer((_, s) => s.end("hello")).listen(8099, "127.0.0.1")'`;

/** A user's repository with packages from npm and Debian, a service its checks need, a failing test to mend, and a test that judges; made where it is used. */
export async function makeProject(path: string, env: Record<string, string>): Promise<void> {
  const files: Record<string, string> = {
    'package.json': JSON.stringify({
      name: 'ages',
      version: '1.0.0',
      type: 'module',
      scripts: { test: 'node --test' },
      dependencies: { ms: '2.1.3', kleur: '4.1.5' },
    }),
    '.gitignore': 'node_modules\n',
    '.ralph/project.yaml': [
      'version: 1',
      'setup: {run: npm ci, inputs: [package.json, package-lock.json]}',
      'registries: [npm]',
      'packages: [bc]',
      `services: [{name: hello, run: ${JSON.stringify(hello)}, ready: "curl -fs http://127.0.0.1:8099"}]`,
      'checks: [{id: served, run: "test $(curl -fs http://127.0.0.1:8099) = hello && test $(echo 1+1 | bc) = 2"}]',
      'protected: [test/**]',
    ].join('\n'),
    'src/age.js': "import ms from 'ms';\n\nexport function age(milliseconds) {\n  return ms(milliseconds);\n}\n",
    'test/age.test.js': [
      "import assert from 'node:assert/strict';",
      "import test from 'node:test';",
      "import { age } from '../src/age.js';",
      "test('in words', () => assert.equal(age(7_200_000), '2 hours'));",
    ].join('\n'),
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  await exec(['npm', 'install', '--package-lock-only', '--no-audit', '--no-fund'], {
    cwd: path,
    env,
    timeoutMs: 60_000,
  });
  await exec(['git', 'init', '-q', '-b', 'main'], { cwd: path, env });
  await exec(['git', 'add', '-A'], { cwd: path, env });
  await exec(['git', 'commit', '-qm', 'Ages, not in words yet'], { cwd: path, env });
}

export const submission = {
  execution: { agent: 'claude', model: 'claude-sonnet-4-5' },
  tasks: [
    {
      id: 'words',
      title: 'Ages in words',
      priority: 'high',
      description:
        '`age` in `src/age.js` is to say `2 hours`, not `2h`. The tests say what is wanted; do not change them.',
      acceptance_criteria: [{ id: 'in-words', description: 'The tests pass', backpressure: 'node --test' }],
    },
    {
      id: 'tiny',
      title: 'A task with next to no budget',
      priority: 'low',
      description: 'Write a README.',
      acceptance_criteria: [{ id: 'readme', description: 'It is there', backpressure: 'test -s README.md' }],
      budget: { max_tokens: 500 },
    },
  ],
};

const say = (verb: string, input: Record<string, unknown>) => ({ name: `mcp__ralph__${verb}`, input });
const bash = (command: string) => ({ name: 'Bash', input: { command, description: 'as asked' } });
const file = '/home/ralph1/work/src/age.js';

export const lesson = 'The tests run with plain `node --test`.';
export const flagged = 'The test names hours in one way only.';

/**
 * What the model does: first it bends the test to the code and says done; sent back, it reads, mends the code with the CLI's
 * own tools, puts the test back, and answers so slowly that a daemon can be killed meanwhile. It reviews with a run of the tests.
 */
export const modelRules: ModelRule[] = [
  {
    lastUser: 'You review one change',
    reply: {
      tools: [bash('node --test'), say('verdict', { decision: 'approve', summary: 'Ran the tests' })],
      usage: { input_tokens: 900, output_tokens: 60 },
    },
  },
  {
    lastUser: 'This is iteration 1[;.].*A task with next to no budget',
    reply: { tools: [bash('ls')], usage: { input_tokens: 700, output_tokens: 10 } },
  },
  {
    lastUser: 'This is iteration 1[;.].*Ages in words',
    reply: {
      text: 'I make the test fit.',
      tools: [
        bash('sed -i "s/2 hours/2h/" test/age.test.js && node --test'),
        say('learned', { text: lesson, kind: 'command' }),
        say('flag', { what: flagged, severity: 'high', category: 'tests' }),
        say('done', { summary: 'Fits now' }),
      ],
      usage: { input_tokens: 1000, cache_creation_input_tokens: 200, cache_read_input_tokens: 50, output_tokens: 70 },
    },
  },
  {
    lastUser: 'This is iteration 2[;.]',
    reply: { tools: [{ name: 'Read', input: { file_path: file } }], usage: { input_tokens: 1100, output_tokens: 30 } },
  },
  {
    lastUser: 'export function age',
    reply: {
      tools: [
        {
          name: 'Edit',
          input: { file_path: file, old_string: 'ms(milliseconds)', new_string: 'ms(milliseconds, { long: true })' },
        },
      ],
      usage: { input_tokens: 1200, output_tokens: 40 },
    },
  },
  {
    lastUser: 'age\\.js has been updated',
    reply: {
      text: 'Now the code says it in words, and the test stays as it was. '.repeat(16),
      tools: [
        bash('sed -i "s/2h/2 hours/" test/age.test.js && node --test'),
        say('done', { summary: 'Says ages in words' }),
      ],
      usage: { input_tokens: 1300, output_tokens: 50 },
      paceMs: 700,
    },
  },
];
