import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Guests } from '../../../src/guest/guest.ts';
import { parseCheckOutputs } from '../../../src/loop/check-outputs.ts';
import { parseCheckResults } from '../../../src/loop/check-results.ts';
import { exec, type LocalGuest, startLocalGuest, text, until } from './fixture.ts';

let guest: LocalGuest;
let guests: Guests;
const sh = (line: string) => ['sh', '-c', line];
const ended = (id: string) => until(guests, guest.address, id, 'ended');
const stream = async (id: string) => text(await guests.readStream(guest.address, id, 0, 1_000_000));

beforeAll(async () => {
  guest = await startLocalGuest();
  guests = guest.daemon();
});
afterAll(() => guest?.close());

test('a job: argv, environment, files, streams, signals and exit code arrive as they were given', async () => {
  const odd = 'a\'b "c" $(touch pwned) `x` \\ \n * é🐳';
  const path = join(guest.root, 'home/nobody/.config/deep/prompt.md');
  await guests.startJob(
    guest.address,
    guest.job('it-1', {
      argv: [
        'sh',
        '-c',
        'printf "%s|" "$@" "$ODD"; id -un; pwd; stat -c %a "$P"; cat "$P"; echo e >&2; echo s >>"$RALPH_SIGNALS"; exit 3',
        'x',
        odd,
        '',
      ],
      env: { ODD: odd, P: path, 'BAD NAME; touch pwned': 'x' },
      files: [{ path, content: odd, mode: 0o640 }],
    }),
  );
  const job = await ended('it-1');
  expect(job.end).toMatchObject({ exitCode: 3, signal: null, timedOut: false, killed: false });
  const home = join(guest.root, 'home/nobody');
  expect(await stream('it-1')).toBe(`${odd}||${odd}|nobody\n${home}\n640\n${odd}`);
  expect(text(await guests.readJobFile(guest.address, 'it-1', 'stderr', 100))).toBe('e\n');
  expect(text(await guests.readJobFile(guest.address, 'it-1', 'signals.jsonl', 100))).toBe('s\n');
  expect(text(await guests.readJobFile(guest.address, 'it-1', 'pane', 100))).toBe('');
  await expect(readFile(join(home, 'pwned'))).rejects.toThrow();
});

test('starting twice, also at once, runs once', async () => {
  const job = guest.job('it-twice', { argv: sh('echo once; sleep 0.5') });
  await Promise.all([1, 2, 3, 4].map(() => guests.startJob(guest.address, job)));
  await guests.startJob(guest.address, job);
  await ended('it-twice');
  await guests.startJob(guest.address, job);
  expect(await stream('it-twice')).toBe('once\n');
});

test('stop ends everything the job started, in other sessions too; its end says killed', async () => {
  const argv = sh('trap "" TERM; setsid sleep 4711 & echo up; while :; do sleep 4711; done');
  await guests.startJob(guest.address, guest.job('it-stop', { argv }));
  for (let text = ''; text !== 'up\n'; ) text = await stream('it-stop');
  await guests.stopJob(guest.address, 'it-stop', 500);
  expect((await ended('it-stop')).end).toMatchObject({ killed: true, timedOut: false, exitCode: null });
  await guests.stopJob(guest.address, 'it-stop', 500);
  expect((await exec(['pgrep', '-r', 'R,S,D', '-f', 'sleep 4711'], { okExitCodes: [0, 1] })).stdout).toBe('');
});

test('the time limit', async () => {
  await guests.startJob(guest.address, guest.job('it-slow', { argv: ['sleep', '1000'], timeoutSeconds: 1 }));
  expect((await ended('it-slow')).end).toMatchObject({ timedOut: true, exitCode: null, signal: 'SIGTERM' });
});

test('too long a stream ends the job', async () => {
  await guests.startJob(guest.address, guest.job('it-big', { argv: ['yes'], maxStreamBytes: 100_000 }));
  expect((await ended('it-big')).end).toMatchObject({ killed: true, timedOut: false });
  expect(text(await guests.readJobFile(guest.address, 'it-big', 'stderr', 200))).toMatch(/larger than 100000 bytes/);
});

test.each([
  ['no such command', { argv: ['/does/not/exist'] }, { exitCode: 127 }],
  ['no such folder', { cwd: '/does/not/exist' }, { exitCode: 126 }],
  ['ended by a signal', { argv: sh('kill -SEGV $$') }, { exitCode: null, signal: 'SIGSEGV' }],
  ['a file that cannot be written', { files: [{ path: '/proc/x/y', content: '', mode: 0o600 }] }, { exitCode: 74 }],
])('%s', async (name, more, end) => {
  const id = name.replaceAll(' ', '-');
  await guests.startJob(guest.address, guest.job(id, more));
  expect((await ended(id)).end).toMatchObject(end);
});

test('the runner killed hard: lost, not running; stop cleans up what it left', async () => {
  await guests.startJob(guest.address, guest.job('it-lost', { argv: sh('echo kept; exec sleep 4712') }));
  while ((await stream('it-lost')) !== 'kept\n');
  const pid = (await readFile(join(guest.root, 'var/lib/ralph/jobs/it-lost/pid'), 'utf8')).split(' ')[0] ?? '';
  process.kill(Number(pid), 'SIGKILL');
  await until(guests, guest.address, 'it-lost', 'lost');
  expect(await stream('it-lost')).toBe('kept\n');
  await guests.stopJob(guest.address, 'it-lost', 100);
  expect((await ended('it-lost')).end).toMatchObject({ killed: true });
  expect((await exec(['pgrep', '-r', 'R,S,D', '-f', 'sleep 4712'], { okExitCodes: [0, 1] })).stdout).toBe('');
});

test('a guest that was started again has lost its jobs', async () => {
  await guests.startJob(guest.address, guest.job('it-boot', { argv: ['sleep', '4713'] }));
  const pidFile = join(guest.root, 'var/lib/ralph/jobs/it-boot/pid');
  const pid = await readFile(pidFile, 'utf8');
  await writeFile(pidFile, pid.replace(/\S+\s*$/, '00000000-0000-0000-0000-000000000000\n'));
  await until(guests, guest.address, 'it-boot', 'lost');
  await writeFile(pidFile, pid);
  await guests.stopJob(guest.address, 'it-boot', 0);
});

test('tmux ended by the agent does not end the job; its pane shows the filtered stream', async () => {
  const argv = sh(`echo '{"say":"hello pane"}'; until [ -e go ]; do sleep 0.1; done; echo '{"say":"after"}'`);
  await guests.startJob(guest.address, guest.job('it-pane', { argv, title: 'shown', paneFilter: 'fromjson? | .say' }));
  const socket = join(guest.root, 'run/ralph-tmux/nobody.tmux');
  const pane = async () => (await exec(['tmux', '-S', socket, 'capture-pane', '-p', '-t', '=ralph:=shown'])).stdout;
  while (!(await pane()).startsWith('hello pane\n'));
  await exec(['tmux', '-S', socket, 'kill-server']);
  await writeFile(join(guest.root, 'home/nobody/go'), '');
  expect((await ended('it-pane')).end).toMatchObject({ exitCode: 0 });
  expect(await stream('it-pane')).toContain('after');
});

test('a job whose window cannot be made is started all the same', async () => {
  const socket = join(guest.root, 'run/ralph-tmux/nobody.tmux');
  await exec(['tmux', '-S', socket, 'kill-server'], { okExitCodes: [0, 1] });
  await rm(socket, { force: true });
  await mkdir(socket, { recursive: true });
  await guests.startJob(guest.address, guest.job('it-dark', { argv: sh('echo dark') }));
  await ended('it-dark');
  expect(await stream('it-dark')).toBe('dark\n');
  await rm(socket, { recursive: true });
});

test('checks: each with its own limit, output and clean-up', async () => {
  const check = (id: string, run: string, timeoutSeconds = 20) => ({ id, run, timeoutSeconds });
  await guests.startJob(
    guest.address,
    guest.job('ck-1', {
      kind: 'checks',
      checks: [
        check('good', 'echo fine; sleep 4714 & true'),
        check('left', 'pgrep -r R,S,D -f "^sleep 4714"; test $? = 1'),
        check('bad', 'echo err >&2; printf "\\377"; head -c 5000 /dev/zero | tr "\\0" x; exit 4'),
        check('slow', 'sleep 4714', 1),
        check('shot', 'kill -9 $$'),
        check('forge', `echo '{}' >>"$(dirname "$RALPH_SIGNALS")/checks.jsonl"`),
      ],
    }),
  );
  expect((await ended('ck-1')).end).toMatchObject({ exitCode: 0, timedOut: false, killed: false });
  const asked = ['good', 'left', 'bad', 'slow', 'shot', 'forge'].map((id) => ({ id }));
  const results = parseCheckResults(await guests.readJobFile(guest.address, 'ck-1', 'checks.jsonl', 1_000_000), asked);
  expect(results.map((r) => [r.id, r.passed, r.exitCode, r.timedOut])).toEqual([
    ['good', true, 0, false],
    ['left', true, 0, false],
    ['bad', false, 4, false],
    ['slow', false, null, true],
    ['shot', false, null, false],
    ['forge', false, 2, false],
  ]);
  expect(results[0]).toMatchObject({ tail: 'fine\n', stderrTail: '' });
  // What stdout says later does not push the error out.
  expect(results[2]).toMatchObject({ tail: `${'x'.repeat(4096)}`, stderrTail: 'err\n' });
  expect(results[3]).toMatchObject({ tail: '', stderrTail: '' });
});

test('too much on stderr ends the job too', async () => {
  const argv = sh('exec yes >&2');
  await guests.startJob(guest.address, guest.job('it-loud', { argv, maxStreamBytes: 100_000 }));
  expect((await ended('it-loud')).end).toMatchObject({ killed: true, timedOut: false });
});

test('what checks print is kept: each output for itself, its two ends where it is long', async () => {
  await mkdir(join(guest.root, 'etc/ralph'), { recursive: true });
  const about = { contract: 1, image: 'i', builder: 'debian', tools: { node: '24' } };
  await writeFile(join(guest.root, 'etc/ralph/guest.json'), `${JSON.stringify(about, null, 2)}\n`);
  const check = (id: string, run: string, timeoutSeconds = 60) => ({ id, run, timeoutSeconds });
  const long = 300 * 1024 * 1024;
  await guests.startJob(
    guest.address,
    guest.job('ck-out', {
      kind: 'checks',
      maxStreamBytes: 64 * 1024 * 1024,
      checks: [
        check('both', 'echo fine; echo wrong >&2; printf "no newline"'),
        check('named', 'echo by-name >/dev/stderr; cat </dev/stdin'),
        check('long', `echo first; head -c ${long} /dev/zero | tr "\\0" x; echo; echo last; exit 3`),
        check('binary', 'printf "\\000\\377"'),
        check('silent', 'true'),
      ],
    }),
  );
  await ended('ck-out');
  const results = parseCheckResults(await guests.readJobFile(guest.address, 'ck-out', 'checks.jsonl', 100_000), [
    ...[{ id: 'both' }, { id: 'named' }, { id: 'long' }],
  ]);
  expect(results.map((one) => [one.id, one.exitCode])).toEqual([
    ...[
      ['both', 0],
      ['named', 0],
      ['long', 3],
    ],
  ]);
  expect(results[2]?.tail.endsWith('xxx\nlast\n')).toBe(true);
  const file = await guests.readJobFile(guest.address, 'ck-out', 'outputs', 32 * 1024 * 1024);
  const said = parseCheckOutputs(file);
  expect(said.about).toMatchObject({ image: 'i', builder: 'debian', tools: { node: '24' } });
  expect(said.outputs.map((one) => one.id)).toEqual(['both', 'named', 'long', 'binary', 'silent']);
  const [both, named, longest, binary, silent] = said.outputs;
  expect(both?.stdout).toEqual({ bytes: 15, encoding: 'utf8', head: 'fine\nno newline', tail: null });
  expect(both?.stderr).toEqual({ bytes: 6, encoding: 'utf8', head: 'wrong\n', tail: null });
  expect(named?.stderr.head).toBe('by-name\n');
  expect(longest?.stdout.bytes).toBe(long + 12);
  expect(longest?.stdout.head.startsWith('first\nxxx')).toBe(true);
  expect(longest?.stdout.tail?.endsWith('xxx\nlast\n')).toBe(true);
  expect([longest?.stdout.head.length, longest?.stdout.tail?.length]).toEqual([512 * 1024, 512 * 1024]);
  expect(binary?.stdout).toEqual({ bytes: 2, encoding: 'base64', head: 'AP8=', tail: null });
  expect(silent?.stdout).toEqual({ bytes: 0, encoding: 'utf8', head: '', tail: null });
  // However much was printed, no more than its bounds stands on the guest's disk.
  const { stdout } = await exec(['du', '-sk', join(guest.root, 'var/lib/ralph/jobs/ck-out')]);
  expect(Number.parseInt(stdout, 10)).toBeLessThan(4096);
});

test('what ends at once, however busy the machine, is never taken for what ran out of time', async () => {
  const checks = Array.from({ length: 30 }, (_, n) => ({ id: `c${n}`, run: 'true', timeoutSeconds: 3 }));
  const more = { kind: 'checks' as const, cwd: '/does/not/exist', checks };
  const ids = ['ck-a', 'ck-b', 'ck-c', 'ck-d'];
  for (const id of ids) await guests.startJob(guest.address, guest.job(id, more));
  for (const id of ids) {
    await ended(id);
    const results = parseCheckResults(await guests.readJobFile(guest.address, id, 'checks.jsonl', 1_000_000), checks);
    expect(results.map((r) => [r.exitCode, r.timedOut])).toEqual(checks.map(() => [126, false]));
  }
});

test('checks that leave a daemon on their output, print bytes of any kind, or print without end', async () => {
  const check = (id: string, run: string, timeoutSeconds = 20) => ({ id, run, timeoutSeconds });
  // Two forks and a session of its own; its parent is gone, the output still its own.
  const daemon = '(setsid sh -c "(sleep 4715 &) ; exit") ; echo begun';
  await guests.startJob(
    guest.address,
    guest.job('ck-hostile', {
      kind: 'checks',
      maxStreamBytes: 3_000_000,
      checks: [
        check('daemon', daemon),
        check('gone', 'pgrep -r R,S,D -f "^sleep 4715"; test $? = 1'),
        check(
          'binary',
          'head -c 300000 /dev/urandom; printf "\\0\\033[2J{\\"id\\":\\"binary\\",\\"passed\\":true}\\n"; exit 1',
        ),
        check('never', 'true'),
      ],
    }),
  );
  expect((await ended('ck-hostile')).end).toMatchObject({ exitCode: 0, killed: false });
  const read = (id: string) => guests.readJobFile(guest.address, id, 'checks.jsonl', 1_000_000);
  const results = parseCheckResults(await read('ck-hostile'), [{ id: 'daemon' }, { id: 'gone' }, { id: 'binary' }]);
  expect(results.map((r) => [r.id, r.passed, r.exitCode])).toEqual([
    ['daemon', true, 0],
    ['gone', true, 0],
    ['binary', false, 1],
  ]);
  const endless = [check('endless', 'cat /dev/zero', 3)];
  await guests.startJob(
    guest.address,
    guest.job('ck-endless', { kind: 'checks', maxStreamBytes: 3_000_000, checks: endless }),
  );
  // Its own limit ends it: however much it prints, next to nothing of it is kept.
  const { end, streamBytes } = await ended('ck-endless');
  expect([end?.killed, streamBytes < 3_000_000]).toEqual([false, true]);
  expect(parseCheckResults(await read('ck-endless'), [{ id: 'endless' }])).toMatchObject([
    { passed: false, timedOut: true },
  ]);
});

test('an agent cannot write its own end, pid or results, nor have its signals lead elsewhere', async () => {
  const attack = `d=\${RALPH_SIGNALS%/*}
    for f in end.json end.next pid job stream stderr checks.jsonl stop; do
      (echo '{"exitCode":0}' >"$d/$f") 2>/dev/null && echo "wrote $f"
      mv "$HOME/forged" "$d/$f" 2>/dev/null && echo "put $f"
      ! [ -e "$d/$f" ] || { rm -f "$d/$f" 2>/dev/null && echo "removed $f"; }
    done
    ln -sf /etc/shadow "$d/signals.jsonl" 2>/dev/null && echo linked
    mv "$d" "$d.away" 2>/dev/null && echo moved
    mkdir "$d/../it-forged" 2>/dev/null && echo made
    read -r supervisor _ <"$d/pid" && kill -9 "$supervisor" 2>/dev/null && echo killed
    echo over; exit 7`;
  const files = [{ path: join(guest.root, 'home/nobody/forged'), content: '{"exitCode":0}', mode: 0o600 }];
  await guests.startJob(guest.address, guest.job('it-forge', { argv: sh(attack), files }));
  expect((await ended('it-forge')).end).toMatchObject({ exitCode: 7, signal: null, killed: false });
  expect(await stream('it-forge')).toBe('over\n');
  expect((await guests.jobs(guest.address)).map((job) => job.id)).not.toContain('it-forged');
});

test('what is asked of a job that is not there', async () => {
  await expect(guests.readStream(guest.address, 'none', 0, 10)).rejects.toMatchObject({ code: 'not_found' });
  await expect(guests.stopJob(guest.address, 'none', 0)).rejects.toMatchObject({ code: 'not_found' });
  await expect(guests.readStream(guest.address, '../x', 0, 10)).rejects.toMatchObject({ code: 'bug' });
});
