import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { takeLine, toPull } from './containers/images.ts';
import { demultiplex } from './containers/runner.ts';
import { startTime } from './native/process.ts';
import { planService } from './plan.ts';
import { choosePorts } from './ports.ts';
import { fill, renderService } from './render.ts';
import { loopbackAddresses, networkAddresses, type Ports, type ServiceName, usualPorts } from './services.ts';

describe('ports', () => {
  const free =
    (...taken: number[]) =>
    async (port: number) =>
      !taken.includes(port);

  it('are the usual ones; a taken one moves on, and no two are the same', async () => {
    expect((await choosePorts({}, new Set(), free())).ports).toEqual(usualPorts);
    const { ports, moved } = await choosePorts({}, new Set(), free(3000, 9095));
    expect(ports).toMatchObject({ grafana: 3001, lokiGrpc: 9096, tempoGrpc: 9097 });
    expect(moved).toEqual([
      { name: 'lokiGrpc', from: 9095, to: 9096 },
      { name: 'tempoGrpc', from: 9096, to: 9097 },
      { name: 'grafana', from: 3000, to: 3001 },
    ]);
  });

  it('are remembered, and those our own service listens on are not given up', async () => {
    const remembered = { ...usualPorts, grafana: 3005 };
    expect((await choosePorts(remembered, new Set(), free())).ports.grafana).toBe(3005);
    expect((await choosePorts(remembered, new Set(['grafana']), free(3005))).ports.grafana).toBe(3005);
    expect((await choosePorts(remembered, new Set(), free(3005))).ports.grafana).toBe(3006);
  });

  it('that are all taken are said', async () => {
    await expect(choosePorts({}, new Set(), async () => false)).rejects.toMatchObject({
      code: 'refused',
      message: 'Ports 9090 to 9189 are all taken on 127.0.0.1.',
    });
  });
});

describe('a pull', () => {
  it('is by digest where there is one, whatever the registry’s port', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    expect(toPull(`grafana/loki:3.7.6@${digest}`)).toBe(`grafana/loki@${digest}`);
    expect(toPull(`mirror.example:5000/loki:3@${digest}`)).toBe(`mirror.example:5000/loki@${digest}`);
    expect(toPull(`mirror.example:5000/loki@${digest}`)).toBe(`mirror.example:5000/loki@${digest}`);
    expect(toPull('stack-loki:test')).toBe('stack-loki:test');
  });

  it('sums its layers, and finds the error among its lines', () => {
    const layers = new Map<string, { current: number; total: number }>();
    const line = (what: object) => takeLine(JSON.stringify(what), layers).error;
    expect(line({ status: 'Pulling from grafana/loki', id: '3.7.6' })).toBe(null);
    expect(line({ status: 'Downloading', id: 'a', progressDetail: { current: 5, total: 10 } })).toBe(null);
    expect(line({ status: 'Downloading', id: 'b', progressDetail: { current: 1, total: 30 } })).toBe(null);
    expect(line({ status: 'Extracting', id: 'b', progressDetail: { current: 3, total: 99 } })).toBe(null);
    expect(line({ status: 'Download complete', id: 'a' })).toBe(null);
    expect([...layers.values()]).toEqual([
      { current: 10, total: 10 },
      { current: 1, total: 30 },
    ]);
    expect(takeLine('no JSON', layers).error).toBe(null);
    expect(line({ error: 'short', errorDetail: { message: 'manifest unknown' } })).toBe('manifest unknown');
    expect(line({ error: 'toomanyrequests' })).toBe('toomanyrequests');
  });
});

describe('configuration', () => {
  const ports: Ports = { ...usualPorts, loki: 3101, otlp: 4319 };
  const places = { config: '/etc/x', data: '/data' };
  const addresses = loopbackAddresses(ports, '127.0.0.1:9464');
  const names: ServiceName[] = ['prometheus', 'loki', 'tempo', 'grafana'];

  it('is filled everywhere, is valid YAML and JSON, and listens on loopback alone', async () => {
    for (const name of names) {
      const rendered = await renderService(name, addresses, places);
      expect(rendered.size, name).toBeGreaterThan(0);
      for (const [path, text] of rendered) {
        expect(() => (path.endsWith('.json') ? JSON.parse(text) : parse(text)), path).not.toThrow();
        expect(text, path).not.toMatch(/0\.0\.0\.0/);
        expect(path).not.toContain('.test.');
      }
    }
    const loki = parse((await renderService('loki', addresses, places)).get('loki.yaml') ?? '');
    expect(loki.server).toMatchObject({
      http_listen_address: '127.0.0.1',
      http_listen_port: 3101,
      grpc_listen_port: 9095,
    });
    const prometheus = parse((await renderService('prometheus', addresses, places)).get('prometheus.yml') ?? '');
    expect(prometheus.rule_files).toEqual(['/etc/x/alerts*.yml']);
    expect(prometheus.scrape_configs[0].static_configs[0].targets).toEqual(['127.0.0.1:9464']);
  });

  it('leaves to Grafana what is Grafana’s, and refuses a placeholder nobody fills', async () => {
    const files = await renderService('grafana', addresses, places);
    const { datasources } = parse(files.get('provisioning/datasources/ralph-fleet.yaml') ?? '');
    expect(datasources.map(({ uid, url }: { uid: string; url: string }) => [uid, url])).toEqual([
      ['rf-prometheus', 'http://127.0.0.1:9090'],
      ['rf-loki', 'http://127.0.0.1:3101'],
      ['rf-tempo', 'http://127.0.0.1:3200'],
    ]);
    expect(datasources[1].jsonData.derivedFields[0].url).toBe('$${__value.raw}');
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template
    expect(() => fill('a: ${nobody}', {})).toThrow(/`nobody`/);
  });

  it('in a network of its own has names and the usual ports', async () => {
    const own = networkAddresses('127.0.0.1:9999');
    const prometheus = parse((await renderService('prometheus', own, places)).get('prometheus.yml') ?? '');
    expect(prometheus.scrape_configs[0].static_configs[0].targets).toEqual(['host.docker.internal:9999']);
    expect(own.peer.loki).toBe('http://loki:3100');
  });

  it('another file, another hash; the same, the same', async () => {
    const rendered = await renderService('loki', addresses, places);
    const plan = (files: typeof rendered) =>
      planService('loki', { addresses, places, rendered: files, passwordFile: '/p' }).hash;
    expect(plan(rendered)).toBe(plan(new Map(rendered)));
    expect(plan(new Map([...rendered, ['more.yaml', '']]))).not.toBe(plan(rendered));
  });

  it('Grafana is closed, silent towards the internet, and gets the password as a file', () => {
    const { env, args } = planService('grafana', { addresses, places, rendered: new Map(), passwordFile: '/run/p' });
    expect(args).toEqual([]);
    expect(env).toMatchObject({
      GF_SECURITY_ADMIN_PASSWORD__FILE: '/run/p',
      GF_AUTH_ANONYMOUS_ENABLED: 'false',
      GF_USERS_ALLOW_SIGN_UP: 'false',
      GF_ANALYTICS_REPORTING_ENABLED: 'false',
      GF_PLUGINS_PREINSTALL_DISABLED: 'true',
      GF_SERVER_HTTP_ADDR: '127.0.0.1',
    });
    expect(Object.keys(env)).not.toContain('GF_SECURITY_ADMIN_PASSWORD');
  });
});

it('the start time of a process is the 22nd field, whatever its name', () => {
  const fields = Array.from({ length: 50 }, (_, at) => String(at + 3));
  expect(startTime(`12 (a) b (c) ${fields.join(' ')}\n`)).toBe('22');
  expect(startTime('Sat Nov 21 22:00:00 2026\n')).toBe('Sat Nov 21 22:00:00 2026');
});

it('what a container printed is put together from the engine’s frames', () => {
  const frame = (text: string) =>
    Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, 0, Buffer.byteLength(text)]), Buffer.from(text)]);
  expect(demultiplex(Buffer.concat([frame('one\n'), frame('zwei ü\n')]))).toBe('one\nzwei ü\n');
  expect(demultiplex(Buffer.from([1, 0, 0]))).toBe('');
});
