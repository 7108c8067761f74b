import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAlive } from '../../src/lib/alive.ts';
import { type CliHome, createCliHome } from '../support/cli-home.ts';
import { until } from '../support/gateway-process.ts';

/** The real command, daemon and gateway; no VM is needed for them to make room for each other. */
let home: CliHome;

beforeAll(async () => {
  home = await createCliHome();
});

afterAll(() => home[Symbol.asyncDispose]());

it('daemon upgrade replaces daemon and gateway, running or not', async () => {
  const upgrade = async (): Promise<{ daemon: { pid: number }; gateway: { pid: number; version: string } }> => {
    const { code, out, err } = await home.cli('daemon', 'upgrade', '--json');
    expect([code, err]).toEqual([0, expect.any(String)]);
    return JSON.parse(out);
  };
  const first = await upgrade();
  const second = await upgrade();
  const pids = [first.daemon.pid, first.gateway.pid, second.daemon.pid, second.gateway.pid];
  expect(new Set(pids).size).toBe(4);
  await until('the first pair has ended', () => !isAlive(first.daemon.pid) && !isAlive(first.gateway.pid));
  expect([isAlive(second.daemon.pid), isAlive(second.gateway.pid)]).toEqual([true, true]);
  const said = await home.cli('daemon', 'upgrade');
  expect(said.out).toMatch(
    /^The daemon is version \d+\.\d+\.\d+, pid \d+\.\nThe gateway is version \d+\.\d+\.\d+, pid \d+\.\n/,
  );
});
