import { describe, expect, it } from 'vitest';
import { readProjectSettings } from './load.ts';
import { propose } from './propose.ts';

const read = (text: string, files: string[] = []) => readProjectSettings({ file: '.ralph/project.yaml', text }, files);

describe('.ralph/project.yaml', () => {
  it('reads setup, checks and protected files; our own folder is always protected', () => {
    const { value } = read(
      'version: 1\nsetup: {run: npm ci}\nprotected: [test/**]\nchecks: [{id: test, run: npm test}]',
    );
    expect(value).toEqual({
      setup: { run: 'npm ci', inputs: [], timeoutSeconds: 900 },
      protected: ['test/**', '.ralph/**'],
      checks: [{ id: 'test', run: 'npm test', description: 'test', timeoutSeconds: 600 }],
      registries: [],
      packages: [],
      services: [],
    });
  });

  it('reads packages and services; refuses what is no package and two services of one name', () => {
    const services = 'services: [{name: db, run: "redis-server", ready: redis-cli ping}, {name: web, run: ./serve}]';
    const { value, warnings } = read(`version: 1\npackages: [redis-server, g++]\n${services}`);
    expect(warnings).toEqual([]);
    expect(value.packages).toEqual(['redis-server', 'g++']);
    expect(value.services).toEqual([
      { name: 'db', run: 'redis-server', ready: 'redis-cli ping' },
      { name: 'web', run: './serve', ready: null },
    ]);
    const wrong = 'version: 1\npackages: [-y, "a b", "a;reboot"]\nservices: [{name: ../x, run: y}]';
    expect(() => read(wrong)).toThrow(/4 problems[\s\S]*packages\[0\][\s\S]*services\[0\]\.name/);
    expect(() => read('version: 1\nservices: [{name: a, run: x}, {name: a, run: y}]')).toThrow(
      /like an earlier service/,
    );
  });

  it('protects what the ecosystem judges by where nothing is named', () => {
    expect(read('version: 1', ['package.json']).value.protected).toEqual(
      expect.arrayContaining(['**/*.test.*', '.github/**']),
    );
  });

  it('warns of a registry that no setup can reach yet', () => {
    const { value, warnings } = read('version: 1\nregistries: [npm, crates]');
    expect(value.registries).toEqual(['npm', 'crates']);
    expect(warnings).toMatchObject([{ line: 2, col: 19, path: 'registries[1]' }]);
    expect(warnings[0]?.message).toContain('`crates`');
  });

  it('refuses two checks of one id, an id that is no word, and unknown keys, all at once', () => {
    const text = 'version: 1\nchecks:\n  - {id: a b, run: x}\n  - {id: c, cmd: x}';
    expect(() => read(text)).toThrow(
      /3 problems[\s\S]*:3:10[\s\S]*`checks\[1\]\.run` is missing[\s\S]*`checks\[1\]\.cmd`/,
    );
    expect(() => read('version: 1\nchecks: [{id: a, run: x}, {id: a, run: y}]')).toThrow(/like an earlier check/);
  });

  it('is told of twenty mistakes at once, each with its line, and how many are left', () => {
    const lines = [
      'version: two',
      'setup: {run: 7, inputs: package.json, timeoutSeconds: -1, when: now}',
      'packages: {}',
      'services: 5',
      'registries: [npm, 3, ""]',
      'protected: [1, ""]',
      'checks:',
      '  - {id: a b, run: "", timeoutSeconds: many}',
      '  - {id: 3, cmd: x}',
      '  - just text',
      '  - {id: c, run: [x], timeoutSeconds: 0, retries: 3}',
      'colour: red',
    ];
    const told = () => read(lines.join('\n'));
    expect(told).toThrow(/project\.yaml/);
    const message = String(captured(told));
    const at = [...message.matchAll(/project\.yaml:(\d+):\d+/g)].map((found) => Number(found[1]));
    expect(at).toHaveLength(20);
    expect(message).toMatch(/and \d+ more/);
    expect(new Set(at)).toEqual(new Set([1, 2, 3, 4, 5, 6, 8, 9, 10, 11]));
  });
});

function captured(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

describe('what came out of git', () => {
  it('is refused where it was no UTF-8', () => {
    expect(() => read('version: 1\nchecks: [{id: t, run: "grep caf\ufffd x"}]')).toThrow(
      /project\.yaml:2:32 is not UTF-8 text here/,
    );
  });
});

describe('propose', () => {
  it('takes setup from the lock file and checks from the scripts', () => {
    const contents = {
      'package.json': JSON.stringify({ scripts: { test: 'vitest', lint: 'biome check', start: 'x' } }),
    };
    const { settings, reasons } = propose({ files: ['package.json', 'package-lock.json', 'src/a.ts'], contents });
    expect(settings.setup).toEqual({
      run: 'npm ci',
      inputs: ['package.json', 'package-lock.json'],
      timeoutSeconds: 900,
    });
    expect(settings.checks.map(({ run }) => run)).toEqual(['npm test', 'npm run lint']);
    expect(settings.registries).toEqual(['npm']);
    expect(reasons).toHaveLength(3);
  });

  it('does not take npm init’s placeholder for a test, nor trip over a broken package.json', () => {
    const files = ['package.json'];
    const placeholder = '{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}';
    for (const text of [placeholder, '{"scripts":', 'null', '[]', '{"scripts":{"test":1}}', '{"scripts":[1]}']) {
      expect(propose({ files, contents: { 'package.json': text } }).settings.checks, text).toEqual([]);
    }
  });

  it('adds up several ecosystems and says when nothing shows how it is tested', () => {
    const contents = { Makefile: 'all:\n\nTEST := 1\ntest: all\n\techo' };
    const { settings } = propose({ files: ['Makefile', 'go.mod', 'go.sum', 'x/a_test.go'], contents });
    expect(settings.checks.map(({ id, run }) => [id, run])).toEqual([
      ['test', 'go test ./...'],
      ['make-test', 'make test'],
    ]);
    expect(settings.setup?.run).toBe('go mod download');
    expect(propose({ files: ['README'], contents: {} }).reasons).toEqual([expect.stringContaining('no checks')]);
  });
});
