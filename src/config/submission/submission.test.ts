import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { taskDraft } from '../../contract/actions.ts';
import { isFleetError } from '../../lib/errors.ts';
import { formatProblems } from '../problems.ts';
import { cycleIn } from './cycle.ts';
import { parseJsonWithComments } from './json-comments.ts';
import { readSubmission } from './read.ts';

const options = { projectHasChecks: false };
const read = (text: string, file = 'ralph.json') => readSubmission({ file, text }, options).value;

function refusal(text: string, file = 'ralph.json'): string {
  try {
    read(text, file);
  } catch (error) {
    if (isFleetError(error, 'invalid_file')) return error.message;
    throw error;
  }
  return 'accepted';
}

const check =
  '"acceptance_criteria": [{"id": "t", "description": "works", "steps": ["click"], "backpressure": "npm test", "passes": true}]';

describe('ralph.json', () => {
  it('reads one task with comments; `passes` is not believed', () => {
    const [draft, ...rest] = read(`{ // why\n "title": "a // b", ${check}, "budget": {"max_cost_usd": 2} /* end */ }`);
    expect(rest).toEqual([]);
    expect(draft).toMatchObject({ title: 'a // b', ref: null, limits: { maxUsd: 2, maxTokens: null } });
    expect(draft?.checks).toEqual([{ id: 't', description: 'works', run: 'npm test', timeoutSeconds: 600 }]);
    expect(draft?.description).toBe('Acceptance criteria:\n- t: works\n  - click');
    expect(taskDraft.parse(draft)).toEqual(draft);
  });

  it('reads several with dependencies, also on tasks that exist', () => {
    const drafts = read(
      `{"tasks": [{"id": "a", "title": "A", ${check}}, {"id": "b", "title": "B", "depends_on": ["a", "T7"], ${check}}]}`,
    );
    expect(drafts.map(({ ref, dependsOn }) => [ref, dependsOn])).toEqual([
      ['a', []],
      ['b', ['a', 'T7']],
    ]);
  });

  it('names circles, unknown tasks, doubled ids and missing checks, each where it stands', () => {
    const text = `{"tasks": [
  {"id": "a", "title": "A", "depends_on": ["c"], ${check}},
  {"id": "b", "title": "B", "depends_on": ["a"], ${check}},
  {"id": "c", "title": "C", "depends_on": ["b", "zz"]},
  {"id": "b", "title": "B2", ${check}}
]}`;
    const message = refusal(text);
    expect(message).toContain('ralph.json:4:');
    expect(message).toContain('`tasks[0].depends_on` goes round in a circle: a -> c -> b -> a');
    expect(message).toContain('`tasks[2].depends_on[1]` is `zz`, which is no task');
    expect(message).toContain('`tasks[2].acceptance_criteria` has no checks');
    expect(message).toContain('`tasks[3].id` is `b` again');
  });

  it.each([
    ['{"title": "x", ', 'ralph.json:1:16 ends too early'],
    ['{"title": "x"\n "a": 1}', 'ralph.json:2:2 is not valid JSON here'],
    ['{"title": "x", "title": "y"}', 'has the same key twice'],
    [`{"titel": "x", ${check}}`, '`titel` is not a known key: did you mean `title`?'],
    [`{"title": "x", "execution": {"race": 0}, ${check}}`, '`execution.race` is 0'],
    ['{"title": "x", "description": "a\\u0000b"}', '`description` holds a zero byte'],
    ['{"title": "x", "context_files": ["\\ud800"]}', '`context_files[0]` holds a zero byte or half a character'],
    [`{"title": "two\\nlines", ${check}}`, '`title` is "two\\nlines": one line'],
    [`{"title": "x", "repository": {"workingDir": "../up"}, ${check}}`, '`repository.workingDir` is "../up"'],
    [`{"title": "x", "repository": {"workingDir": "/etc"}, ${check}}`, 'no folder of the repository'],
    [`{"title": "x", "repository": {"workingDir": "a'; id; '"}, ${check}}`, 'no folder of the repository'],
    [`{"title": "x", "repository": {"workingDir": "a/../.."}, ${check}}`, 'no folder of the repository'],
    [`{"title": 3, ${check}}`, 'ralph.json:1:11 `title` is 3: write text'],
    ['[]', 'is a list'],
    ['null', '`acceptance_criteria` has no checks'],
    ['', 'ends too early'],
  ])('refuses %s', (text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it('tells twenty mistakes at once, each with its line, in the order of the file, and how many are left', () => {
    const criterion = (members: string) => `{"id": "t", "description": "d", ${members}}`;
    const lines = [
      '{"repository": {"url": 7, "branch": [],',
      '  "workingDir": "../up", "colour": 1},',
      '"execution": {"mode": "sideways", "maxConcurrent": -1,',
      '  "race": 0, "agent": 5},',
      '"budget": {"max_tokens": "many", "max_cost_usd": -2,',
      '  "max_api_calls": 1.5, "max_duration_ms": 0, "max_fun": 1},',
      '"max_iterations_per_criterion": "ten",',
      '"tasks": [',
      `{"id": "A b", "title": 3, "acceptance_criteria": [${criterion('"backpressure": 4')}]},`,
      `{"id": "c", "title": "two\\nlines", "acceptance_criteria": [${criterion('"backpressure": "x", "timeoutSeconds": 0')}]},`,
      `{"id": "d", "titel": "D", "depends_on": "c", "acceptance_criteria": [${criterion('"backpressure": "x", "steps": 1')}]},`,
      '{"id": "e", "title": "E", "context_files": [9], "acceptance_criteria": {}}]}',
    ];
    const told = refusal(lines.join('\n'))
      .split('\n')
      .filter((line) => line.includes('ralph.json:'));
    expect(told).toHaveLength(20);
    expect(refusal(lines.join('\n'))).toMatch(/and \d+ more/);
    const at = told.map((line) => Number(/ralph\.json:(\d+):\d+/.exec(line)?.[1]));
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(new Set(at)).toEqual(new Set([1, 2, 3, 4, 5, 6, 7, 9, 10, 11]));
  });

  it('says of every field that has no effect yet what happens instead', () => {
    const text = `{
  "repository": {"url": "https://example.org/x", "branch": "release"},
  "git": {"featureBranch": "f", "createPr": true, "prTitle": "P", "prBody": "B"},
  "execution": {"mode": "parallel", "maxConcurrent": 2, "race": 2, "model": "m"},
  "title": "x", ${check}
}`;
    const { value, warnings } = readSubmission({ file: 'r.json', text }, { ...options, branch: 'main' });
    expect(value).toMatchObject([{ title: 'x', model: 'm' }]);
    expect(formatProblems('r.json', warnings)).toEqual([
      'r.json:2:18 `repository.url` has no effect yet: the task is for the project it is handed in to',
      'r.json:2:50 `repository.branch` has no effect yet: changes go onto the project’s branch, `main`',
      expect.stringContaining('r.json:3:11 `git.featureBranch` has no effect yet'),
      expect.stringContaining('r.json:3:33 `git.createPr` has no effect yet: no pull request is made'),
      expect.stringContaining('r.json:3:51 `git.prTitle` has no effect yet'),
      expect.stringContaining('r.json:3:67 `git.prBody` has no effect yet'),
      expect.stringContaining('r.json:4:37 `execution.maxConcurrent` has no effect yet'),
      'r.json:4:57 `execution.race` has no effect yet: one Ralph works on each task',
    ]);
    const beside = `{"title": "all", "description": "d", ${check}, "tasks": [{"id": "a", "title": "A", ${check}}]}`;
    const several = readSubmission({ file: 'r.json', text: beside }, options);
    expect(several.warnings.map(({ path }) => path)).toEqual(['title', 'description', 'acceptance_criteria']);
  });

  it('says nothing of fields that do what they say', () => {
    const text = `{"repository": {"branch": "main", "workingDir": "."}, "git": {"createPr": false, "prTitle": "P"},
      "execution": {"mode": "sequential", "race": 1}, "budget": {"max_duration_ms": 5, "max_api_calls": 2}, ${check}}`;
    const { value, warnings } = readSubmission({ file: 'r.json', text }, { ...options, branch: 'main' });
    expect(warnings).toEqual([]);
    expect(value).toMatchObject([{ title: 'P', limits: { maxCalls: 2, maxDurationMs: 5 } }]);
  });

  it('runs checks in the working folder, and says so to the agent', () => {
    const [draft] = read(`{"title": "x", "repository": {"workingDir": "./packages/a b/"}, ${check}}`);
    expect(draft?.checks.map(({ run }) => run)).toEqual(["cd 'packages/a b' || exit 1; npm test"]);
    expect(draft?.description).toContain('Work in the folder `packages/a b`');
  });

  it('lets each task of a sequence wait for the one before', () => {
    const three = ['a', 'b', 'c'].map((id) => `{"id": "${id}", "title": "${id}", ${check}}`).join(',');
    const inMode = (mode: string) =>
      read(`{"execution": {"mode": "${mode}"}, "tasks": [${three}]}`).map(({ dependsOn }) => dependsOn);
    expect(inMode('sequential')).toEqual([[], ['a'], ['b']]);
    expect(inMode('parallel')).toEqual([[], [], []]);
  });

  it('gives the same value as JSON for any JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (any) => {
        const text = JSON.stringify(any, null, 1);
        expect(parseJsonWithComments({ file: 'x', text }).value).toEqual(JSON.parse(text));
      }),
    );
  });

  it('never fails in any other way than invalid_file', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => typeof refusal(text) === 'string'));
  });
});

describe('a spec in Markdown', () => {
  it('takes the title from the first heading and checks from the block and the list', () => {
    const text =
      'intro\n\n# Do it #\n\n- [ ] `npm test`\n- [ ] not a command\n\n```checks\n# comment\nlint: npm run lint\nnpm test\n```\n\n```sh\nrm -rf /\n```\n';
    const [draft] = read(text, 'TASK.md');
    expect(draft?.title).toBe('Do it');
    expect(draft?.checks.map(({ id, run }) => [id, run])).toEqual([
      ['npm-test', 'npm test'],
      ['lint', 'npm run lint'],
      ['npm-test-2', 'npm test'],
    ]);
  });

  it('says what is missing when nothing could tell that it is done', () => {
    expect(refusal('make it faster', 'words')).toContain('has no checks');
    expect(refusal(' \n', 'words')).toContain('is empty');
    const [draft] = readSubmission(
      { file: 'words', text: `make it faster\n${'x'.repeat(300)}` },
      { projectHasChecks: true },
    ).value;
    expect(draft).toMatchObject({ title: 'make it faster', checks: [] });
  });

  it('drops no check: too many are refused', () => {
    const lines = (count: number) => `# x\n\`\`\`checks\n${'true\n'.repeat(count)}\`\`\``;
    expect(read(lines(100), 'x.md')[0]?.checks).toHaveLength(100);
    expect(refusal(lines(101), 'x.md')).toContain('has 101 checks; at most 100 can be run');
    expect(refusal('# x\n- [ ] `a\0b`', 'x.md')).toContain('holds a zero byte');
  });

  it('gives valid drafts with unique ids for any text', () => {
    const line = fc.oneof(fc.string(), fc.constantFrom('```checks', '```', '~~~', '- [ ] `a`', '# x', 'a: b'));
    fc.assert(
      fc.property(fc.array(line), (lines) => {
        const any = { file: 'x.md', text: `T\n${lines.join('\n')}` };
        const [draft] = readSubmission(any, { projectHasChecks: true }).value;
        taskDraft.parse(draft);
        const ids = draft?.checks.map(({ id }) => id) ?? [];
        expect(new Set(ids).size).toBe(ids.length);
      }),
    );
  });
});

describe('cycleIn', () => {
  it('finds a circle exactly when there is one', () => {
    const graph = fc.array(fc.array(fc.nat(7), { maxLength: 3 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(graph, (rows) => {
        const edges = new Map(rows.map((to, i) => [String(i), to.map(String)]));
        const reach = (from: string, seen = new Set<string>()): Set<string> => {
          for (const next of edges.get(from) ?? []) if (!seen.has(next)) reach(next, seen.add(next));
          return seen;
        };
        const expected = [...edges.keys()].some((key) => reach(key).has(key));
        const found = cycleIn(edges);
        expect(found !== null).toBe(expected);
        found?.forEach((key, i) => {
          expect(edges.get(key)).toContain(found[(i + 1) % found.length]);
        });
      }),
    );
  });
});
