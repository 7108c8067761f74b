import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Mirror } from '../../src/contract/gateway.ts';
import { createFindRegistry } from '../../src/daemon/registries.ts';
import { createExec } from '../../src/lib/exec.ts';
import { type FakeGuest, startFakeGuest } from '../support/fake-guest.ts';
import { type GatewayProcess, startGatewayProcess, until } from '../support/gateway-process.ts';

/** npm itself, through a real tunnel and the real gateway, against a registry below a path of its host. */
let folder: string;
let guest: FakeGuest;
let gateway: GatewayProcess;
let registry: Awaited<ReturnType<typeof startRegistry>>;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rf-reg-'));
  guest = await startFakeGuest(join(folder, 'g'));
  registry = await startRegistry();
  gateway = await startGatewayProcess(folder, { upstream: 'http://127.0.0.1:1', guestSocket: guest.guestSocket });
  await gateway.client.putTunnel('vm1', guest.tunnel);
  await until('tunnel connected', async () => (await gateway.client.tunnels())[0]?.state === 'connected');
});

afterEach(async () => {
  await gateway.end('SIGKILL');
  await guest.close();
  registry.server.close();
  registry.server.closeAllConnections();
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
});

const mirror = (): Mirror => ({
  registries: [{ kind: 'npm', url: registry.url, caFile: null }],
  expiresAt: Date.now() + 600_000,
});

/** One package, `small-thing`, and what was asked for. */
async function startRegistry() {
  const made = join(folder, 'small-thing');
  mkdirSync(made);
  writeFileSync(join(made, 'package.json'), JSON.stringify({ name: 'small-thing', version: '1.0.0', main: 'm.js' }));
  writeFileSync(join(made, 'm.js'), 'module.exports = 7;\n');
  execFileSync('npm', ['pack', '--silent'], { cwd: made });
  const tarball = readFileSync(join(made, 'small-thing-1.0.0.tgz'));
  const seen: { url: string; headers: IncomingHttpHeaders }[] = [];
  const server: Server = createServer((req, res) => {
    seen.push({ url: req.url ?? '', headers: req.headers });
    if (req.url === '/repository/npm/small-thing/-/small-thing-1.0.0.tgz') return void res.end(tarball);
    if (req.url !== '/repository/npm/small-thing') return void res.writeHead(404).end('{}');
    const dist = { tarball: `http://${req.headers.host}/repository/npm/small-thing/-/small-thing-1.0.0.tgz` };
    const versions = { '1.0.0': { name: 'small-thing', version: '1.0.0', dist } };
    res.setHeader('content-type', 'application/json').setHeader('set-cookie', 'a=b');
    res.end(JSON.stringify({ name: 'small-thing', 'dist-tags': { latest: '1.0.0' }, versions }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, seen, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/repository/npm/` };
}

/** Path as it is, never normalised on the way. */
function ask(path: string, method = 'GET', headers = {}): Promise<{ status: number; headers: IncomingHttpHeaders }> {
  const { port } = new URL(guest.url);
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (res) => {
      res.resume().once('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers }));
    });
    req.once('error', reject).end();
  });
}

async function npmCi(lock: object): Promise<void> {
  const cwd = join(folder, 'project');
  rmSync(cwd, { recursive: true, force: true });
  mkdirSync(cwd);
  const root = { name: 'p', version: '1.0.0', dependencies: { 'small-thing': '1.0.0' } };
  writeFileSync(join(cwd, 'package.json'), JSON.stringify(root));
  const packages = { '': root, 'node_modules/small-thing': { version: '1.0.0', ...lock } };
  writeFileSync(join(cwd, 'package-lock.json'), JSON.stringify({ ...root, lockfileVersion: 3, packages }));
  const env = {
    PATH: process.env['PATH'],
    HOME: cwd,
    npm_config_cache: join(cwd, '.npm'),
    npm_config_registry: `${guest.url}/registry/npm/`,
    npm_config_replace_registry_host: 'always',
    npm_config_audit: 'false',
  };
  await promisify(execFile)('npm', ['ci'], { cwd, env, timeout: 60_000 });
  expect(readFileSync(join(cwd, 'node_modules/small-thing/m.js'), 'utf8')).toBe('module.exports = 7;\n');
}

describe('the mirror of package registries', () => {
  it('lets `npm ci` install, whichever way the lock file names the package', async () => {
    await gateway.client.putMirror('vm1', mirror());
    await npmCi({});
    await npmCi({ resolved: `${registry.url}small-thing/-/small-thing-1.0.0.tgz` });
    expect(registry.seen.map((it) => it.url)).toContain('/repository/npm/small-thing');
  });

  it('carries no credential in either direction', async () => {
    await gateway.client.putMirror('vm1', mirror());
    const secrets = { authorization: 'Bearer abc', cookie: 'c=d', 'x-api-key': 'k', 'npm-otp': '1' };
    const answer = await ask('/registry/npm/small-thing', 'GET', secrets);
    expect(answer.status).toBe(200);
    expect(answer.headers['set-cookie']).toBeUndefined();
    for (const name of Object.keys(secrets)) expect(registry.seen[0]?.headers[name]).toBeUndefined();
  });

  it('is closed to a VM without a setup, and again when the setup is over, the tunnel gone or the time up', async () => {
    const tarball = '/small-thing/-/small-thing-1.0.0.tgz';
    expect((await ask('/registry/npm/small-thing')).status).toBe(403);
    expect((await ask(tarball)).status).toBe(404);
    await gateway.client.putMirror('vm2', mirror());
    expect((await ask('/registry/npm/small-thing')).status).toBe(403);
    await gateway.client.putMirror('vm1', mirror());
    expect((await ask('/registry/npm/small-thing')).status).toBe(200);
    await gateway.client.deleteMirror('vm1');
    expect((await ask('/registry/npm/small-thing')).status).toBe(403);
    await gateway.client.putMirror('vm1', { ...mirror(), expiresAt: Date.now() - 1 });
    expect((await ask('/registry/npm/small-thing')).status).toBe(403);
    await gateway.client.putMirror('vm1', mirror());
    await gateway.client.deleteTunnel('vm1');
    await gateway.client.putTunnel('vm1', guest.tunnel);
    await until('tunnel again', async () => (await gateway.client.tunnels())[0]?.state === 'connected');
    expect((await ask('/registry/npm/small-thing')).status).toBe(403);
    expect(registry.seen).toHaveLength(1);
  });

  it('reads only, and nothing beside the registry', async () => {
    await gateway.client.putMirror('vm1', mirror());
    for (const method of ['PUT', 'POST', 'DELETE', 'PATCH'])
      expect((await ask('/registry/npm/small-thing', method)).status).toBe(405);
    const paths = [
      '../secret',
      '%2e%2e/secret',
      'a/../../secret',
      'a%2f..%2fb',
      '/127.0.0.1/x',
      'a?b=c',
      '-/v1/search?text=x',
    ];
    for (const path of paths) expect((await ask(`/registry/npm/${path}`)).status, path).toBe(404);
    expect((await ask('/registry/pypi/x')).status).toBe(404);
    expect((await ask('//127.0.0.1/x/-/y.tgz')).status).toBe(404);
    expect(registry.seen).toEqual([]);
  });

  it('is the Debian archive for apt, and no other kind than was opened', async () => {
    const url = registry.url.replace('npm/', 'debian');
    await gateway.client.putMirror('vm1', { ...mirror(), registries: [{ kind: 'debian', url, caFile: null }] });
    const deb = '/pool/main/c/c%2b%2b/libx_1%3a2.0~rc1+b2_amd64.deb';
    for (const path of ['/dists/forky/InRelease', deb]) await ask(`/registry/debian${path}`);
    const asked = ['/repository/debian/dists/forky/InRelease', `/repository/debian${deb}`];
    expect(registry.seen.map((it) => it.url)).toEqual(asked);
    expect((await ask('/registry/npm/small-thing')).status).toBe(403);
  });

  it('finds the registry this host itself uses', async () => {
    const env = { ...process.env, npm_config_registry: 'http://127.0.0.1:9/own/' };
    expect(await createFindRegistry({ exec: createExec(), env, debianMirror: () => null })('npm')).toMatchObject({
      kind: 'npm',
      url: 'http://127.0.0.1:9/own/',
    });
  });
});
