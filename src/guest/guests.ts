import { Writable } from 'node:stream';
import type { ClientChannel } from 'ssh2';
import { vmName } from '../domain/vm.ts';
import type { Clock } from '../lib/clock.ts';
import type { Log } from '../lib/log.ts';
import { identityAnswer, parseAnswer, parseJobStates, verifyAnswer } from './answers.ts';
import { endChannel } from './exchange.ts';
import { readSaved, sendFile } from './file-transfer.ts';
import { createForkChannel } from './fork-channel.ts';
import type { GuestAddress, Guests, Terminal } from './guest.ts';
import { callGuest } from './guest-call.ts';
import { jobFile } from './job-file.ts';
import { scriptsFolder } from './places.ts';
import { quoteCommand } from './shell-quote.ts';
import { type Call, createSshConnection, type SshConnection } from './ssh-connection.ts';
import { createTerminalFilterStream } from './terminal-filter.ts';

export interface GuestsDeps {
  clock: Clock;
  log: Log;
  /** Private key the host logs in with (OpenSSH format, 0600). */
  keyFile: string;
  /** Who logs in; default root. */
  user?: string;
  /** Where the ralph-* scripts stand in the guest. */
  scripts?: string;
  patience?: Partial<Patience>;
}

/** Milliseconds. Made for software emulation; on quick machines nothing comes near. */
export interface Patience {
  banner: number;
  login: number;
  /** How long a broken connection is tried again before the call fails. */
  retry: number;
  quick: number;
  slow: number;
}

const defaultPatience: Patience = { banner: 5000, login: 20_000, retry: 30_000, quick: 45_000, slow: 600_000 };
const smallAnswer = 64 * 1024;
const statesAnswer = 4 * 1024 * 1024;

export function createGuests(deps: GuestsDeps): Guests {
  const { clock } = deps;
  const patience = { ...defaultPatience, ...deps.patience };
  const connections = new Map<string, { key: string; connection: SshConnection }>();

  function connect(vm: GuestAddress, use: 'control' | 'people'): SshConnection {
    const name = `${vm.id}/${use}`;
    const key = JSON.stringify([vm[use], vm.hostKey]);
    const known = connections.get(name);
    if (known?.key === key) return known.connection;
    known?.connection.close();
    const connection = createSshConnection(
      {
        vm: vmName(vm.id),
        endpoint: vm[use],
        hostKey: vm.hostKey,
        user: deps.user ?? 'root',
        keyFile: deps.keyFile,
        bannerMs: patience.banner,
        loginMs: patience.login,
      },
      { clock, log: deps.log, retryMs: patience.retry },
    );
    connections.set(name, { key, connection });
    return connection;
  }

  function forget(vmId: string): void {
    for (const [name, { connection }] of connections) {
      if (!name.startsWith(`${vmId}/`)) continue;
      connection.close();
      connections.delete(name);
    }
  }

  const script = (name: string) => `${deps.scripts ?? scriptsFolder}/${name}`;

  function ask(vm: GuestAddress, argv: string[], call: Partial<Call> & { what: string }) {
    const whole = { deadlineMs: patience.quick, maxBytes: smallAnswer, ...call };
    return callGuest(connect(vm, 'control'), vmName(vm.id), argv, whole);
  }

  return {
    async ping(vm) {
      await ask(vm, ['true'], { what: 'answer' });
    },

    async identify(vm, identity) {
      const what = 'take its identity';
      const argv = [script('ralph-identity'), identity.hostname, String(Math.round(identity.now))];
      const before = clock.now();
      const { output } = await ask(vm, argv, { what });
      const answer = parseAnswer(identityAnswer, output, 'its identity');
      const { machineId, bootId, hostname } = answer;
      return { machineId, bootId, hostname, clockOffsetMs: Math.round(answer.now - (before + clock.now()) / 2) };
    },

    async verify(vm) {
      const { output } = await ask(vm, [script('ralph-verify')], {
        what: 'verify itself',
        // 1 with a report: what it found is the answer.
        okExitCodes: [0, 1],
        deadlineMs: patience.slow,
        maxBytes: 1024 * 1024,
      });
      return parseAnswer(verifyAnswer, output, 'the guest contract');
    },

    async seedWorkspace(vm, seed) {
      const bundle = await sendFile(ask, script('ralph-put'), vm, {
        file: seed.bundleFile,
        name: `seed-${seed.user}-${seed.folder}`,
        deadlineMs: patience.slow,
      });
      await ask(vm, [script('ralph-seed'), bundle, seed.commit, seed.folder, seed.user], {
        what: `check out \`${seed.commit}\``,
        deadlineMs: patience.slow,
      });
    },

    async startJob(vm, job) {
      const input = new TextEncoder().encode(jobFile(job));
      const what = `start the job \`${job.id}\``;
      await ask(vm, [script('ralph-job'), 'start', job.id], { what, input, deadlineMs: patience.quick * 2 });
    },

    async jobs(vm) {
      const { output } = await ask(vm, [script('ralph-job'), 'states'], {
        what: 'tell its jobs',
        maxBytes: statesAnswer,
      });
      return parseJobStates(output);
    },

    async readStream(vm, job, offset, maxBytes) {
      const argv = [script('ralph-job'), 'read', job, String(offset), String(maxBytes)];
      // A megabyte a second is what a busy emulated guest manages.
      const deadlineMs = patience.quick + maxBytes / 1000;
      return (await ask(vm, argv, { what: `read the stream of \`${job}\``, maxBytes, deadlineMs })).output;
    },

    async readJobFile(vm, job, name, maxBytes) {
      const argv = [script('ralph-job'), 'tail', job, name, String(maxBytes)];
      const deadlineMs = patience.quick + maxBytes / 1000;
      return (await ask(vm, argv, { what: `read \`${name}\` of \`${job}\``, maxBytes, deadlineMs })).output;
    },

    async stopJob(vm, job, graceMs) {
      const argv = [script('ralph-job'), 'stop', job, String(Math.round(graceMs))];
      await ask(vm, argv, { what: `stop the job \`${job}\``, deadlineMs: graceMs + patience.quick * 2 });
    },

    save(vm, save) {
      const argv = [script('ralph-save'), save.folder, save.base, save.user];
      const what = `save \`${save.folder}\``;
      return readSaved(save.targetFile, (onOutput) =>
        ask(vm, argv, { what, deadlineMs: patience.slow, maxBytes: save.maxBytes, onOutput }),
      );
    },

    async sync(vm) {
      await ask(vm, ['sync'], { what: 'write out its disk', deadlineMs: patience.slow });
    },

    async seal(vm) {
      await ask(vm, [script('ralph-seal')], { what: 'be sealed', deadlineMs: patience.slow });
    },

    async settle(vm, spare) {
      await ask(vm, [script('ralph-settle')], { what: 'settle', deadlineMs: patience.slow });
      forget(vm.id);
      await createForkChannel(vmName(vm.id), spare, patience.quick).settled();
    },

    identifyFork(vmId, spare, identity) {
      return createForkChannel(vmName(vmId), spare, patience.login).identify(identity);
    },

    async terminal(vm, terminal) {
      const argv = [script('ralph-attach'), terminal.user, ...(terminal.write ? ['write'] : [])];
      const pty = { rows: terminal.rows, cols: terminal.cols, term: 'xterm-256color' };
      const { channel } = await connect(vm, 'people').openTerminal(quoteCommand(argv), pty, patience.quick);
      return toTerminal(channel, terminal.write);
    },

    async shell(vm, { user, argv, screen }) {
      const command = quoteCommand([script('ralph-shell'), user, ...argv]);
      const pty = screen === null ? null : { ...screen, term: 'xterm-256color' };
      const { channel, exit } = await connect(vm, 'people').openTerminal(command, pty, patience.quick);
      channel.on('error', () => {});
      return {
        ...{ stdin: channel.stdin, stdout: channel, stderr: channel.stderr, exit },
        resize: (cols, rows) => channel.setWindow(rows, cols, 0, 0),
        close: () => endChannel(channel),
      };
    },

    forget,

    async close() {
      for (const { connection } of connections.values()) connection.close();
      connections.clear();
    },
  };
}

/** Without `write` what is typed goes nowhere: the guest's own `attach -r` is the guest's word only. */
function toTerminal(channel: ClientChannel, write: boolean): Terminal {
  channel.on('error', () => {});
  channel.stderr.resume();
  const readable = channel.pipe(createTerminalFilterStream());
  channel.once('close', () => readable.end());
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  return {
    readable,
    writable: write ? channel.stdin : nowhere,
    resize: (cols, rows) => channel.setWindow(rows, cols, 0, 0),
    close: () => channel.destroy(),
  };
}
