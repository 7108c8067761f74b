/**
 * What a repository's files say about it: which command sets it up, which one judges a change, and which files judge. Order
 * matters: of several that match, the first gives the setup; checks and protected files add up.
 */
export interface Repository {
  /** Paths relative to the root, with `/`. */
  files: readonly string[];
  /** Contents of the few files `readFor` names, by path. */
  contents: Readonly<Record<string, string>>;
}

export interface Ecosystem {
  name: string;
  /** The files that show it; any of them at the root. */
  shownBy: readonly string[];
  setups: readonly { when: string; run: string; inputs: readonly string[] }[];
  checks(repository: Repository): { id: string; run: string; why: string }[];
  registries: readonly string[];
  protected: readonly string[];
}

/** Files whose contents `propose` wants to see. */
export const readFor = ['package.json', 'Makefile', 'pyproject.toml'] as const;

const node: Ecosystem = {
  name: 'node',
  shownBy: ['package.json'],
  setups: [
    { when: 'package-lock.json', run: 'npm ci', inputs: ['package.json', 'package-lock.json'] },
    { when: 'npm-shrinkwrap.json', run: 'npm ci', inputs: ['package.json', 'npm-shrinkwrap.json'] },
    {
      when: 'pnpm-lock.yaml',
      run: 'corepack pnpm install --frozen-lockfile',
      inputs: ['package.json', 'pnpm-lock.yaml'],
    },
    { when: 'yarn.lock', run: 'corepack yarn install --immutable', inputs: ['package.json', 'yarn.lock'] },
  ],
  checks: ({ contents }) => {
    const scripts = npmScripts(contents['package.json']);
    const wanted = ['test', 'lint', 'typecheck', 'build'].filter((name) => scripts[name] !== undefined);
    const real = wanted.filter((name) => !/no test specified/.test(scripts[name] ?? ''));
    return real.map((name) => ({
      id: name,
      run: name === 'test' ? 'npm test' : `npm run ${name}`,
      why: `package.json has a script \`${name}\``,
    }));
  },
  registries: ['npm'],
  protected: [
    'test/**',
    'tests/**',
    '**/__tests__/**',
    '**/*.test.*',
    '**/*.spec.*',
    'vitest.config.*',
    'jest.config.*',
  ],
};

const python: Ecosystem = {
  name: 'python',
  shownBy: ['pyproject.toml', 'requirements.txt', 'setup.py'],
  setups: [
    { when: 'uv.lock', run: 'uv sync --frozen', inputs: ['pyproject.toml', 'uv.lock'] },
    { when: 'poetry.lock', run: 'poetry install', inputs: ['pyproject.toml', 'poetry.lock'] },
    { when: 'requirements.txt', run: 'pip install -r requirements.txt', inputs: ['requirements.txt'] },
  ],
  checks: ({ files }) =>
    files.some((file) => /(^|\/)(test_[^/]*|[^/]*_test)\.py$/.test(file))
      ? [{ id: 'test', run: 'python3 -m pytest', why: 'there are files named like test_*.py' }]
      : [],
  registries: ['pypi'],
  protected: ['tests/**', '**/test_*.py', '**/*_test.py', '**/conftest.py', 'pytest.ini', 'tox.ini'],
};

const rust: Ecosystem = {
  name: 'rust',
  shownBy: ['Cargo.toml'],
  setups: [{ when: 'Cargo.lock', run: 'cargo fetch --locked', inputs: ['Cargo.toml', 'Cargo.lock'] }],
  checks: () => [{ id: 'test', run: 'cargo test --offline', why: 'Cargo.toml' }],
  registries: ['crates'],
  protected: ['tests/**', '**/tests/**'],
};

const go: Ecosystem = {
  name: 'go',
  shownBy: ['go.mod'],
  setups: [{ when: 'go.sum', run: 'go mod download', inputs: ['go.mod', 'go.sum'] }],
  checks: () => [{ id: 'test', run: 'go test ./...', why: 'go.mod' }],
  registries: ['go'],
  protected: ['**/*_test.go', '**/testdata/**'],
};

const make: Ecosystem = {
  name: 'make',
  shownBy: ['Makefile'],
  setups: [],
  checks: ({ contents }) =>
    ['test', 'check']
      .filter((target) => new RegExp(`^${target}\\s*:`, 'm').test(contents['Makefile'] ?? ''))
      .slice(0, 1)
      .map((target) => ({
        id: `make-${target}`,
        run: `make ${target}`,
        why: `the Makefile has a target \`${target}\``,
      })),
  registries: [],
  protected: ['Makefile'],
};

export const ecosystems: readonly Ecosystem[] = [node, python, rust, go, make];

/** Judges of every ecosystem: continuous integration, and our own settings. */
export const alwaysProtected = ['.github/**', '.gitlab-ci.yml', '.ci/**', '.ralph/**'];

function npmScripts(text: string | undefined): Record<string, string> {
  try {
    const scripts: unknown = JSON.parse(text ?? '{}')?.scripts;
    if (typeof scripts !== 'object' || scripts === null) return {};
    return Object.fromEntries(Object.entries(scripts).filter(([, value]) => typeof value === 'string'));
  } catch {
    return {}; // a broken package.json proposes nothing; npm itself will say what is wrong with it
  }
}
