import { createReadStream } from 'node:fs';
import { chmod, chown, copyFile, mkdir, realpath, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type Docker from 'dockerode';
import { createExec } from '../../src/lib/exec.ts';

const exec = createExec();

/**
 * Images without a registry: Prometheus is Debian's program with its libraries; the others are stood in for by a small server that
 * listens where their real configuration says, and answers what is asked of them. It reads its files with the rights the stack gives it.
 */
export async function importImages(docker: Docker, folder: string): Promise<Record<string, string>> {
  const standIn = join(folder, 'stand-in');
  await copyProgram(process.execPath, standIn, '/bin/node');
  await writeFile(join(standIn, 'server.mjs'), standInServer);
  const prometheus = join(folder, 'prometheus');
  await copyProgram('/usr/bin/prometheus', prometheus, '/bin/prometheus');
  const of = (name: string, entry: string[], user: string) => [
    `ENTRYPOINT ${JSON.stringify([...entry])}`,
    `USER ${user}`,
    `LABEL is=${name}`,
  ];
  await importFolder(
    docker,
    prometheus,
    '/prometheus',
    65_534,
    'stack-prometheus',
    of('prometheus', ['/bin/prometheus'], '65534'),
  );
  const images: Record<string, string> = { prometheus: 'stack-prometheus:test' };
  for (const [name, data, user] of [
    ['loki', '/loki', 10_001],
    ['tempo', '/var/tempo', 10_001],
    ['grafana', '/var/lib/grafana', 472],
  ] as const) {
    await importFolder(
      docker,
      standIn,
      data,
      user,
      `stack-${name}`,
      of(name, ['/bin/node', '/server.mjs', name], String(user)),
    );
    images[name] = `stack-${name}:test`;
  }
  return images;
}

async function copyProgram(program: string, root: string, as: string): Promise<void> {
  const { stdout } = await exec(['ldd', program]);
  const libraries = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((found) => found[1] ?? '');
  for (const [from, to] of [[await realpath(program), as], ...libraries.map((one) => [one, one])] as [
    string,
    string,
  ][]) {
    await mkdir(dirname(join(root, to)), { recursive: true });
    await copyFile(from, join(root, to));
    await chmod(join(root, to), 0o755);
  }
  await mkdir(join(root, 'tmp'), { recursive: true });
}

async function importFolder(
  docker: Docker,
  root: string,
  data: string,
  user: number,
  repo: string,
  changes: string[],
): Promise<void> {
  await mkdir(join(root, data), { recursive: true });
  await chown(join(root, data), user, 0);
  await chmod(join(root, data), 0o777);
  const tar = `${root}.tar`;
  await exec(['tar', '-C', root, '-cf', tar, '.'], { timeoutMs: 120_000 });
  const stream = await docker.importImage(createReadStream(tar) as never, { repo, tag: 'test', changes } as never);
  for await (const _ of stream as unknown as AsyncIterable<Buffer>) void _;
  await docker.getImage(`${repo}:test`).inspect();
}

const standInServer = `
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
const name = process.argv[2];
const config = name === 'grafana' ? '' : readFileSync(\`/etc/ralph-fleet/\${name}.yaml\`, 'utf8');
const read = (key) => config.match(new RegExp(\`\${key}: (\\\\S+)\`))[1];
const host = name === 'grafana' ? process.env.GF_SERVER_HTTP_ADDR : read('http_listen_address');
const port = name === 'grafana' ? process.env.GF_SERVER_HTTP_PORT : read('http_listen_port');
const data = { loki: '/loki', tempo: '/var/tempo', grafana: '/var/lib/grafana' }[name];
let starts = 0;
try { starts = Number(readFileSync(data + '/starts', 'utf8')); } catch {}
writeFileSync(data + '/starts', String(++starts));
const password = name === 'grafana' ? readFileSync(process.env.GF_SECURITY_ADMIN_PASSWORD__FILE, 'utf8') : '';
const answers = {
  '/ready': 'ready', '/api/health': '{}',
  '/loki/api/v1/query': JSON.stringify({ data: { result: [{ value: [0, String(starts)] }] } }),
  '/api/search': name === 'grafana' ? '[1,2,3]' : JSON.stringify({ traces: [{}] }),
};
createServer((request, response) => {
  const path = request.url.split('?')[0];
  const wants = name === 'grafana' && path === '/api/search';
  const right = 'Basic ' + Buffer.from('admin:' + password).toString('base64');
  if (wants && request.headers.authorization !== right) return response.writeHead(401).end();
  response.writeHead(answers[path] === undefined ? 404 : 200).end(answers[path]);
}).listen(Number(port), host);
process.on('SIGTERM', () => process.exit(0));
console.error('stand-in of ' + name + ' on ' + host + ':' + port);
`;
