import { readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openKeys } from '../../src/daemon/keys.ts';
import { exec, type FleetHome, fleetRows } from './fleet-home.ts';
import { virsh } from './leftovers.ts';

/** Something that must stay where it belongs. */
export interface Secret {
  what: string;
  text: string;
  /** Where it belongs, by the words its place is told with; everywhere else it is a leak. */
  allowed?: RegExp;
  /** The guest has it by right. */
  isOfGuest?: boolean;
}

/** Where things of a user can end up on the host. A new kind of place is a new row. */
const places: readonly ((home: FleetHome, secrets: readonly Secret[]) => Promise<string[]>)[] = [
  (home, secrets) => inFiles(secrets, [home.root]),
  inRepositories,
  inProcesses,
  // What libvirt and QEMU keep for themselves, the journal, crash reports.
  (_home, secrets) =>
    inFiles(secrets, ['/var/log', '/var/lib/libvirt', '/run/libvirt', '/var/crash', '/var/lib/systemd/coredump']),
  inTemporaryFiles,
];

/** Every place of the host where one of the secrets is and should not be: `the key in /home/…/daemon.log`. */
export async function findSecrets(home: FleetHome, planted: readonly Secret[]): Promise<string[]> {
  const secrets = [...planted, ...(await ownSecrets(home))];
  await checkDisks(home);
  const found: string[] = [];
  for (const look of places) found.push(...(await look(home, secrets)));
  return found;
}

/** The same for a running VM: its disk on the host, and all of its memory, which holds every process and what was read. */
export async function findSecretsInVm(home: FleetHome, name: string, planted: readonly Secret[]): Promise<string[]> {
  const secrets = [...planted, ...(await ownSecrets(home))].filter((it) => it.isOfGuest !== true);
  const found = await inFiles(secrets, [join(home.paths.vms, name.slice('rf-'.length))]);
  const dump = join(home.root, 'tmp', 'memory');
  try {
    await exec([...virsh, 'dump', name, dump, '--memory-only', '--live'], { timeoutMs: 120_000 });
    if ((await grep(['ralph-iterate'], [dump])).length === 0) throw new Error('the memory of the VM could not be read');
    found.push(...(await inFiles(secrets, [dump])));
  } finally {
    await rm(dump, { force: true });
  }
  return found;
}

/** An environment variable that only the gateway needs, and the daemon, which starts the gateway again. */
export async function apiKey(home: FleetHome, text: string): Promise<Secret> {
  const [daemon, gateway] = [await home.daemonPid(), await home.gatewayPid()];
  return { what: 'the API key', text, allowed: new RegExp(`^environment of (${daemon}|${gateway}):`) };
}

/** What the fleet makes for itself: the key into the guests, the key of the tokens, the tokens. */
async function ownSecrets(home: FleetHome): Promise<Secret[]> {
  const keys = await openKeys(home.paths.keys, exec);
  const file = await readFile(keys.sshKeyFile, 'utf8');
  const iterations = fleetRows(home, 'SELECT id FROM iterations') as { id: string }[];
  return [
    // Its last whole line: the first ones hold the public half too.
    { what: 'the key into guests', text: file.trim().split('\n').at(-3) ?? '', allowed: /\/keys\/guest_ed25519$/ },
    {
      what: 'the key of the tokens',
      text: await readFile(join(home.paths.keys, 'token.key'), 'utf8'),
      allowed: /\/keys\/token\.key$/,
    },
    ...iterations.map(({ id }) => ({
      ...{ what: `the token of ${id}`, text: keys.tokenOf(id), isOfGuest: true },
      // Guests have it on their disks.
      allowed: new RegExp(`^${home.paths.vms}/`),
    })),
  ];
}

/** As it is, in hexadecimal, in a URL, and in base64 wherever it begins. */
export function formsOf(text: string): string[] {
  const shifted = [0, 1, 2].map((by) => {
    const coded = Buffer.concat([Buffer.alloc(by), Buffer.from(text)]).toString('base64');
    return coded
      .slice(by === 0 ? 0 : by + 1)
      .replace(/=+$/, '')
      .slice(0, -1);
  });
  const forms = [text, encodeURIComponent(text), Buffer.from(text).toString('hex'), ...shifted];
  return [...new Set([...forms, ...shifted.map((it) => it.replaceAll('+', '-').replaceAll('/', '_'))])];
}

async function grep(patterns: readonly string[], paths: readonly string[]): Promise<string[]> {
  // The patterns go in by a file descriptor: an argument would be found among the processes.
  const options = { input: patterns.join('\n'), okExitCodes: [0, 1, 2], timeoutMs: 300_000 };
  const { stdout } = await exec(['grep', '-raslF', '-f', '-', '--', ...paths], options);
  return stdout.split('\n').filter(Boolean);
}

async function inFiles(secrets: readonly Secret[], paths: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  const files = await grep(
    secrets.flatMap((it) => formsOf(it.text)),
    paths,
  );
  for (const file of files) {
    for (const secret of secrets) {
      const isIn = isLeak(secret, file) && (await grep(formsOf(secret.text), [file])).length > 0;
      if (isIn) found.push(`${secret.what} in ${file}`);
    }
  }
  return found;
}

function isLeak(secret: Secret, place: string): boolean {
  return secret.allowed?.test(place) !== true;
}

function inText(secrets: readonly Secret[], place: string, text: string): string[] {
  const isIn = (secret: Secret) => isLeak(secret, place) && formsOf(secret.text).some((form) => text.includes(form));
  return secrets.filter(isIn).map((secret) => `${secret.what} in ${place}`);
}

async function inRepositories(home: FleetHome, secrets: readonly Secret[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of await readdir(home.paths.repos, { recursive: true }).catch(() => [])) {
    if (!file.endsWith('/objects')) continue;
    const repository = dirname(join(home.paths.repos, file));
    const all = ['git', '-C', repository, 'cat-file', '--batch', '--batch-all-objects', '--unordered'];
    found.push(...inText(secrets, `objects of ${repository}`, (await exec(all)).stdout));
  }
  return found;
}

async function inProcesses(_home: FleetHome, secrets: readonly Secret[]): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const read = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '');
    const command = await read('cmdline');
    found.push(...inText(secrets, `argv of ${pid}`, command));
    const place = `environment of ${pid}: ${command.replaceAll('\0', ' ').slice(0, 120)}`;
    found.push(...inText(secrets, place, await read('environ')));
  }
  return found;
}

/** The fleet's own folder for these is in the home; what lies beside it since the home was made may be of anybody. */
async function inTemporaryFiles(home: FleetHome, secrets: readonly Secret[]): Promise<string[]> {
  const newer = ['-newer', join(home.root, '.gitconfig'), '-type', 'f', '-print0'];
  const { stdout } = await exec(['find', tmpdir(), '/var/tmp', '-maxdepth', '1', ...newer], { okExitCodes: [0, 1] });
  const files = stdout.split('\0').filter(Boolean);
  return files.length === 0 ? [] : inFiles(secrets, files);
}

/** A compressed cluster cannot be searched; only the image has such, and it was built before there was a secret. */
async function checkDisks(home: FleetHome): Promise<void> {
  for (const name of await readdir(home.root, { recursive: true })) {
    if (!name.endsWith('.qcow2') || name.endsWith('/image.qcow2')) continue;
    const argv = ['qemu-img', 'check', '-U', '--output=json', join(home.root, name)];
    const { stdout } = await exec(argv, { okExitCodes: [0, 1, 2, 3], timeoutMs: 120_000 });
    const compressed: unknown = JSON.parse(stdout || '{}')['compressed-clusters'] ?? 0;
    if (compressed !== 0) throw new Error(`${name} has ${compressed} compressed clusters, which nobody has searched`);
  }
}
