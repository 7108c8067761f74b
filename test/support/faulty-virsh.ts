import { access, chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FleetError } from '../../src/lib/errors.ts';
import { baseEnvironment, createExec, type Exec } from '../../src/lib/exec.ts';

/**
 * A `virsh` that stands before the real one in the PATH, with the real libvirt behind it. One call of a command meets a fault, all others go
 * through.
 */
export interface FaultyVirsh {
  /** Runs everything with that `virsh` first. A call that hangs comes to its deadline at once, however long that would be. */
  exec: Exec;
  /** The folder to put before all others in a PATH. */
  bin: string;
  /** The fault meets the `nth` call of the command from now on, once. Each command has one at most. */
  arm(command: string, fault: VirshFault, nth?: number): Promise<void>;
  /** Calls off what was not met; the commands of it. */
  disarm(): Promise<string[]>;
  /** The commands called since the last time this was asked, in order. */
  calls(): Promise<string[]>;
}

export const virshFaults = {
  hangs: 'never answers, and does nothing',
  'hangs afterwards': 'never answers, though it is done',
  half: 'is cut off in the middle of its answer, with exit code 0',
  denies: 'ends with 1, though it is done',
  lies: 'ends with 0, though nothing is done',
} as const;
export type VirshFault = keyof typeof virshFaults;

/** Called as `virsh -q -c URI COMMAND…`, where one argument may hold several commands. */
const script = (folder: string, real: string) => `#!/bin/sh
cd ${folder} || exit 99
command=\${4%% *}
echo "$command" >>calls
read -r left fault 2>/dev/null <"armed-$command" || exec ${real} "$@"
if [ "$left" -gt 1 ]; then
  echo "$((left - 1)) $fault" >"armed-$command"
  exec ${real} "$@"
fi
rm "armed-$command" 2>/dev/null || exec ${real} "$@"
hang() { : >"hanging-$FAULTY_CALL"; exec tail -f ${folder}/nothing; }
case $fault in
hangs) hang ;;
'hangs afterwards') ${real} "$@" >/dev/null 2>&1; hang ;;
half) ${real} "$@" >said; exec head -c $(($(wc -c <said) / 2)) said ;;
denies) ${real} "$@" >/dev/null 2>&1; echo 'error: the answer was lost' >&2; exit 1 ;;
lies) exit 0 ;;
esac
`;

const lookMs = 20;

export async function createFaultyVirsh(folder: string): Promise<FaultyVirsh> {
  const plain = createExec();
  const real = (await plain(['which', 'virsh'])).stdout.trim();
  const bin = join(folder, 'bin');
  const at = (name: string) => join(folder, name);
  await mkdir(bin, { recursive: true });
  await writeFile(at('nothing'), '');
  await writeFile(join(bin, 'virsh'), script(folder, real));
  await chmod(join(bin, 'virsh'), 0o755);

  let calls = 0;
  return {
    bin,
    async exec(argv, options = {}) {
      const own = options.env ?? baseEnvironment();
      const env = { ...own, PATH: `${bin}:${own['PATH']}` };
      if (!argv.includes('virsh')) return plain(argv, { ...options, env });
      const call = String(calls++);
      const deadline = new AbortController();
      const look = setInterval(async () => {
        if (!(await isThere(at(`hanging-${call}`)))) return;
        await rm(at(`hanging-${call}`), { force: true });
        deadline.abort();
      }, lookMs);
      try {
        return await plain(argv, { ...options, env: { ...env, FAULTY_CALL: call }, signal: deadline.signal });
      } catch (error) {
        if (deadline.signal.aborted) throw new FleetError('command_timed_out', `\`${argv.join(' ')}\` hung.`);
        throw error;
      } finally {
        clearInterval(look);
      }
    },
    arm: (command, fault, nth = 1) => writeFile(at(`armed-${command}`), `${nth} ${fault}\n`),
    async disarm() {
      const unmet = (await readdir(folder)).filter((name) => name.startsWith('armed-'));
      for (const name of unmet) await rm(at(name), { force: true });
      return unmet.map((name) => name.slice('armed-'.length));
    },
    async calls() {
      const said = await readFile(at('calls'), 'utf8').catch(() => '');
      await rm(at('calls'), { force: true });
      return said.split('\n').filter(Boolean);
    },
  };
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
