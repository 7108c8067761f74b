/**
 * Evaluates the flake without building anything: the image, the program and the host's module for both processors, what must be refused,
 * the options' page, `systemd-analyze verify` on the units and shellcheck on the scripts. Needs Nix, and offline a nixpkgs tree.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { buildCommand, nixCommand, nixEnvironment } from '../src/images/nix/command.ts';
import { stageFlake } from '../src/images/nix/flake.ts';
import { type NixOption, optionsPage } from './nix-options.ts';

const usage = `Usage: scripts/check-nix [--nixpkgs FOLDER] [--nix PROGRAM] [--flake-check] [--write]

Evaluates flake.nix and modules/ for both processors; builds nothing. About a minute of processor time and 3 GB of memory.
  --nixpkgs FOLDER  a nixpkgs tree (a checkout, or an unpacked archive): nothing is fetched then; default: $RALPH_NIXPKGS, else
                    the tree that flake.nix names, which needs a network
  --nix PROGRAM     default: $RALPH_NIX, else \`nix\` in PATH
  --flake-check     also \`nix flake check --no-build --all-systems\` and what \`nix build --dry-run\` plans: minutes, 5 to 8 GB
  --write           writes docs/nix-options.md instead of comparing it`;

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    nixpkgs: { type: 'string', default: process.env['RALPH_NIXPKGS'] ?? '' },
    nix: { type: 'string', default: process.env['RALPH_NIX'] ?? 'nix' },
    'flake-check': { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

interface Evaluated {
  derivations: Record<string, string>;
  dropIns: Record<string, string>;
  userUnits: Record<string, string>;
  scripts: Record<string, string>;
  options: NixOption[];
}

class Missing extends Error {}
const work = await mkdtemp(join(tmpdir(), 'ralph-fleet-check-nix-'));
const staged = join(work, 'flake');
let failed = 0;

async function nix(args: readonly string[]): Promise<string> {
  const { stdout } = await run(values.nix, args, { env: nixEnvironment(), maxBuffer: 256 * 1024 * 1024, cwd: staged });
  return stdout;
}

/** Runs one part; what it throws is its finding. */
async function part<T>(name: string, work: () => Promise<T>): Promise<T | null> {
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1).padStart(6)} s`;
  try {
    const result = await work();
    console.log(`✓ ${name.padEnd(44)} ${seconds()}`);
    return result;
  } catch (error) {
    if (error instanceof Missing) throw error;
    failed += 1;
    const { stderr, stdout, message } = error as { stderr?: string; stdout?: string; message: string };
    console.log(`✗ ${name.padEnd(44)} ${seconds()}`);
    console.log(`${stdout ?? ''}${stderr ?? ''}`.trim().split('\n').slice(-30).join('\n') || message);
    return null;
  }
}

/** The tree to evaluate with: the given one, else what flake.nix names, fetched by Nix. */
async function findTree(): Promise<string> {
  if (values.nixpkgs !== '') {
    const tree = resolve(values.nixpkgs);
    await readFile(join(tree, 'nixos/lib/eval-config.nix')).catch(() => {
      throw new Missing(`\`${tree}\` is no nixpkgs tree: it has no nixos/lib/eval-config.nix.`);
    });
    return tree;
  }
  const archive = nixCommand('flake', 'archive', '--json', `path:${staged}`).slice(1);
  const said = await nix(archive).catch((error: Error) => {
    throw new Missing(
      `There is no nixpkgs tree: none was given, and Nix could not fetch the one flake.nix names.\n  Give one: scripts/check-nix --nixpkgs FOLDER\n${error.message}`,
    );
  });
  return String(JSON.parse(said).inputs.nixpkgs.path);
}

async function evaluate(tree: string, system: string): Promise<Evaluated> {
  const given = { flake: staged, nixpkgs: tree, system };
  const words = Object.entries(given).map(([name, value]) => `${name} = ${JSON.stringify(value)};`);
  const expression = `import ${join(staged, 'modules/tests/evaluate.nix')} { ${words.join(' ')} }`;
  return JSON.parse(await nix(nixCommand('eval', '--impure', '--read-only', '--json', '--expr', expression).slice(1)));
}

/** Our units with the drop-ins NixOS gives them, their programs replaced by one that is there. */
async function verifyUnits({ dropIns, userUnits }: Evaluated): Promise<void> {
  const units = join(work, 'units');
  await rm(units, { recursive: true, force: true });
  await mkdir(units);
  const runnable = (text: string) => text.replace(/^ExecStart=\S+/gm, 'ExecStart=/bin/true');
  const scripts = join(root, 'src/guest/scripts');
  const own = (await readdir(scripts)).filter((name) => /\.(service|socket)$/.test(name));
  for (const name of own) {
    await writeFile(join(units, name), runnable(await readFile(join(scripts, name), 'utf8')));
    await mkdir(join(units, `${name}.d`));
    await writeFile(join(units, `${name}.d/overrides.conf`), dropIns[name] ?? '');
  }
  for (const [name, text] of Object.entries(userUnits)) await writeFile(join(units, name), runnable(text));
  const instances = own.map((name) => name.replace('@.', '@control.'));
  const argv = ['verify', '--man=no', '--generators=no', '--recursive-errors=no'];
  const env = { ...process.env, SYSTEMD_UNIT_PATH: `${units}:` };
  const said = await run('systemd-analyze', [...argv, ...instances, ...Object.keys(userUnits)], { env, cwd: units });
  // It warns of a wrong key and goes on.
  const ours = said.stderr.split('\n').filter((line) => line.includes(units) || line.startsWith('ralph-'));
  if (ours.length > 0) throw new Error(ours.join('\n'));
}

async function lintScripts({ scripts }: Evaluated): Promise<void> {
  for (const [name, text] of Object.entries(scripts)) {
    const file = join(work, `${name}.bash`);
    // What the builder's shell has set, and paths of the store.
    await writeFile(file, `# shellcheck disable=SC2034\nout=/out src=/src cmdlinePath=/c guestPath=/g\n${text}`);
    await run('shellcheck', ['-s', 'bash', '-S', 'info', file]);
  }
}

async function compareOptions({ options }: Evaluated): Promise<void> {
  const page = join(root, 'docs/nix-options.md');
  const wanted = optionsPage(options);
  if (values.write) return await writeFile(page, wanted);
  if ((await readFile(page, 'utf8').catch(() => '')) !== wanted)
    throw new Error('docs/nix-options.md is not what the modules say; run scripts/check-nix --write');
}

async function needCommands(): Promise<void> {
  const wanted = [
    [
      values.nix,
      'Install Nix 2.18 or newer (Debian 13: sudo apt-get install nix-bin), or name one: scripts/check-nix --nix PROGRAM',
    ],
    ['systemd-analyze', 'It comes with systemd.'],
    ['shellcheck', 'Debian: sudo apt-get install shellcheck'],
  ] as const;
  for (const [command, remedy] of wanted) {
    await run(command, ['--version']).catch(() => {
      throw new Missing(`\`${command}\` does not run here.\n  ${remedy}`);
    });
  }
}

async function checkAll(): Promise<void> {
  await needCommands();
  const stamp = { image: 'unstamped', agents: ['claude'], npmRegistry: 'https://registry.example/' };
  await stageFlake({ root, sources: join(root, 'src') }, staged, stamp);
  for (const file of ['package.json', 'package-lock.json']) await cp(join(root, file), join(staged, file));
  const tree = await findTree();
  for (const system of ['x86_64-linux', 'aarch64-linux'] as const) {
    const found = await part(`${system}: image, program, host, refusals`, () => evaluate(tree, system));
    if (found === null) continue;
    for (const [name, path] of Object.entries(found.derivations)) console.log(`    ${name.padEnd(14)} ${path}`);
    await part(`${system}: units`, () => verifyUnits(found));
    await part(`${system}: scripts`, () => lintScripts(found));
    if (system === 'x86_64-linux') await part('options page', () => compareOptions(found));
  }
  if (!values['flake-check']) return;
  const input = ['--no-write-lock-file', '--override-input', 'nixpkgs', `path:${tree}`];
  const check = nixCommand('flake', 'check', '--no-build', '--all-systems', `path:${staged}`, ...input).slice(1);
  await part('nix flake check', () => nix(check));
  const build = buildCommand(staged, 'x86_64-linux', join(work, 'result')).slice(1);
  await part('nix build --dry-run, as the builder calls it', () => nix([...build, '--dry-run', ...input]));
}

try {
  if (values.help) console.log(usage);
  else await checkAll();
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  console.error(`check-nix: ${error.message}`);
  failed += 1;
} finally {
  await rm(work, { recursive: true, force: true });
}
if (!values.help) console.log(failed === 0 ? 'evaluated; nothing was built' : `${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
