import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createSystemClock } from '../../src/lib/clock.ts';
import { resolvePaths } from '../../src/lib/paths.ts';
import { openDatabase } from '../../src/store/open.ts';
import { createStore } from '../../src/store/store.ts';
import { findSecrets, type Secret } from '../support/find-secret.ts';
import { exec, type FleetHome } from '../support/fleet-home.ts';

/** The search for planted secrets finds what is planted, wherever it is: else its silence in the walks would say nothing. */
const secret: Secret = {
  what: 'the key',
  text: `planted${Buffer.from(crypto.getRandomValues(new Uint8Array(24))).toString('hex')}`,
};
let home: FleetHome;
let child: ChildProcess | null = null;

beforeEach(async () => {
  const root = await mkdtemp(join(tmpdir(), 'rf-find-'));
  const paths = resolvePaths({
    ...{ HOME: root, XDG_STATE_HOME: join(root, 'state'), XDG_CACHE_HOME: join(root, 'cache') },
    ...{ XDG_CONFIG_HOME: join(root, 'config'), XDG_RUNTIME_DIR: join(root, 'run') },
  });
  for (const folder of [paths.state, paths.keys, paths.repos, paths.logs]) await mkdir(folder, { recursive: true });
  await writeFile(join(root, '.gitconfig'), '');
  const db = openDatabase(paths.fleetDb);
  createStore({ db, clock: createSystemClock() });
  db.close();
  home = { root, paths, daemonPid: async () => 0, gatewayPid: async () => 0 } as FleetHome;
  await findSecrets(home, []); // makes its own keys
});

afterEach(async () => {
  if (child !== null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
    child = null;
  }
  await rm(home.root, { recursive: true, force: true });
});

const find = () => findSecrets(home, [secret]);

async function run(args: readonly string[], env: Record<string, string>): Promise<number> {
  child = spawn('sleep', ['600'], { env, argv0: ['sleep', ...args].join(' ') });
  await once(child, 'spawn');
  return child.pid ?? 0;
}

it('finds nothing where nothing is', async () => {
  expect(await find()).toEqual([]);
});

it.each([
  ['as it is', (text: string) => text],
  ['in the middle of binary data', (text: string) => `\0\0${text}\0`],
  ['in hexadecimal', (text: string) => Buffer.from(text).toString('hex')],
  ['in base64', (text: string) => Buffer.from(text).toString('base64')],
  ['in base64 behind one byte', (text: string) => Buffer.from(`:${text}`).toString('base64')],
  ['in base64 behind two bytes', (text: string) => Buffer.from(`x:${text}`).toString('base64')],
])('finds it in a file, %s', async (_name, form) => {
  await writeFile(join(home.paths.logs, 'daemon.log'), form(secret.text));
  expect(await find()).toEqual([`the key in ${join(home.paths.logs, 'daemon.log')}`]);
});

it('finds it in the history of a repository, beside the home, in an argument, in an environment', async () => {
  const repository = join(home.paths.repos, 'p', 'git');
  await exec(['git', 'init', '-q', '--bare', repository]);
  await exec(['git', '-C', repository, 'hash-object', '-w', '--stdin'], { input: secret.text });
  const aside = join(tmpdir(), `${home.root.split('/').at(-1)}-aside`);
  await writeFile(aside, secret.text);
  const pid = await run([secret.text], { A_KEY: secret.text });
  try {
    expect(await find()).toEqual([
      `the key in objects of ${repository}`,
      `the key in argv of ${pid}`,
      `the key in environment of ${pid}: sleep ${secret.text} 600 `,
      `the key in ${aside}`,
    ]);
  } finally {
    await rm(aside);
  }
});

it('leaves it alone where it belongs, and finds the fleet’s own keys where they do not', async () => {
  const pid = await run([], { A_KEY: secret.text });
  const allowed = new RegExp(`^environment of ${pid}:`);
  expect(await findSecrets(home, [{ ...secret, allowed }])).toEqual([]);
  await exec(['cp', join(home.paths.keys, 'guest_ed25519'), join(home.paths.keys, 'token.key'), home.paths.logs]);
  expect((await findSecrets(home, [])).toSorted()).toEqual([
    `the key into guests in ${join(home.paths.logs, 'guest_ed25519')}`,
    `the key of the tokens in ${join(home.paths.logs, 'token.key')}`,
  ]);
});
