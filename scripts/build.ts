/** `npm run build`: src → dist, with what is not TypeScript copied beside it. The package then needs no compiler. */
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const bin = join(dist, 'cli/bin.js');
const shebang = '#!/usr/bin/env -S node --disable-warning=ExperimentalWarning';

rmSync(dist, { recursive: true, force: true });
execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' });

for (const file of globSync('src/**/*', { cwd: root, withFileTypes: true })) {
  if (!file.isFile() || file.name.endsWith('.ts')) continue;
  const from = join(file.parentPath, file.name);
  const to = join(dist, from.slice(join(root, 'src').length + 1));
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to);
}

if (!existsSync(bin)) throw new Error('there is no src/cli/bin.js, so that the package would have no command');
const text = readFileSync(bin, 'utf8')
  .replace(/^#!.*\n/, '')
  .replaceAll('.ts', '.js');
writeFileSync(bin, `${shebang}\n${text}`);
chmodSync(bin, 0o755);
