import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fleetConfig } from '../../contract/fleet-config.ts';
import { isFleetError } from '../../lib/errors.ts';
import { formatProblems } from '../problems.ts';
import { defaultFleetConfig, readFleetConfig } from './load.ts';

const read = (text: string) => readFleetConfig({ file: 'fleet.yaml', text });

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (isFleetError(error, 'invalid_file')) return error.message;
    throw error;
  }
  return 'accepted';
}

const whole = `
version: 1
driver: auto            # a comment
wall: device
image: {builder: auto, agents: [claude]}
vms: {count: auto, ralphsPerVm: 1, cpus: 2, memoryMiB: 4096, diskGiB: 30, warm: 1, snapshots: 2}
roles: {implementer: 3, reviewer: 1}
agent: {cli: claude, model: default, maxTurns: 50, iterationTimeoutMinutes: 30}
budget: {per: day, usd: 20, tokens: 5_000_000, calls: 5000, warnAt: 0.8}
limits: {iterationsPerTask: 10, uncountedPerTask: 20, stagnationAfter: 3, reviewsWaiting: 5}
egress: {allow: []}
credentials: {anthropic: {from: env}}
review: {required: true, allowNonInteractive: false}
notify: [{kind: desktop}, {kind: webhook, url: "http://127.0.0.1:9/x"}]
`;

describe('fleet.yaml', () => {
  it('has safe defaults: the documented file changes nothing but the pings', () => {
    const defaults = defaultFleetConfig();
    expect(read(whole).value).toEqual({ ...defaults, notify: read(whole).value.notify });
    expect(fleetConfig.parse(defaults)).toEqual(defaults);
    expect(defaults.review).toEqual({ required: true, allowNonInteractive: false });
  });

  it('reports every problem at once, in the order of the file, with line, column and what to do', () => {
    const text = [
      'version: 1',
      'vms: {memorymib: 3, count: -1}',
      'review: {required: yes}',
      'budget:',
      '  usd: .nan',
      '  calls: 0',
      'notify: [{kind: pigeon}]',
      'drivers: libvirt',
    ].join('\n');
    expect(refusal(text).split('\n')).toEqual([
      'Cannot use `fleet.yaml`: 7 problems.',
      '  fleet.yaml:2:7 `vms.memorymib` is not a known key: did you mean `memoryMiB`?',
      '  fleet.yaml:2:28 `vms.count` is -1: more than 0',
      '  fleet.yaml:3:20 `review.required` is "yes": write `true` or `false`',
      '  fleet.yaml:5:8 `budget.usd` is NaN: write a number',
      '  fleet.yaml:6:10 `budget.calls` is 0: more than 0',
      '  fleet.yaml:7:17 `notify[0].kind` is "pigeon": one of: terminal, desktop, webhook',
      '  fleet.yaml:8:1 `drivers` is not a known key: did you mean `driver`?',
    ]);
  });

  it.each([
    ['a tab', 'version: 1\nvms:\n\tcount: 1', 'fleet.yaml:3:1 is indented with a tab: use spaces'],
    ['a key twice', 'version: 1\nversion: 1', 'fleet.yaml:2:1 has the same key twice: keep one of them'],
    ['nothing', '', '`version` is missing'],
    ['a later version', 'version: 2', 'fleet.yaml:1:10 `version` is 2: one of: 1'],
    ['a list', '[]', 'is a list: write a map of keys'],
    ['two documents', 'version: 1\n---\nversion: 1', 'holds several documents'],
    ['half a file', 'version: 1\nvms: {count: 2', 'is not valid'],
    ['numbers as text', 'version: 1\nvms: {cpus: "2"}', '`vms.cpus` is "2": write a number'],
    ['infinity', 'version: 1\nbudget: {usd: .inf}', '`budget.usd` is Infinity: write a number'],
    ['a fraction', 'version: 1\nroles: {implementer: 1.5}', '`roles.implementer` is 1.5'],
    [
      'a source of credentials there is not',
      'version: 1\ncredentials: {anthropic: {from: vault}}',
      'one of: env, file, keychain',
    ],
    [
      'a login of Claude for another',
      'version: 1\ncredentials: {openai: {from: claude-login}}',
      'which only Anthropic has',
    ],
    ['a path from nowhere', 'version: 1\ncredentials: {anthropic: {from: file, path: key}}', 'an absolute path'],
    [
      'a variable that is none',
      'version: 1\ncredentials: {anthropic: {from: env, name: "A B"}}',
      'environment variable',
    ],
    [
      'a key over the open network',
      'version: 1\nupstream: {anthropic: "http://x.org"}',
      'an `https:` address, or `http:`',
    ],
    [
      'an agent that is not in the image',
      'version: 1\nagent: {cli: codex}',
      ':2:14 `agent.cli` is `codex`, which is not in',
    ],
    ['a zero byte', 'version: 1\ncredentials: {anthropic: {from: file, path: "/a\\0b"}}', 'holds a zero byte'],
    ['a map for a key', 'version: 1\n? [a, b]\n: c', 'is not a known key'],
    ['a shell in a name', 'version: 1\nname: "$(id)"', '`name` is "$(id)": lower-case letters, digits and -'],
    ['huge text', `version: 1\nname: ${'x'.repeat(600_000)}`, 'is 586 KiB; at most 512 KiB are read'],
    ['a long value', `version: 1\ndriver: ${'x'.repeat(1000)}`, `is "${'x'.repeat(40)}…": at most 40 characters`],
  ])('refuses %s', (_, text, message) => {
    expect(refusal(text)).toContain(message);
  });

  it('refuses an alias bomb at once', () => {
    const levels = Array.from({ length: 30 }, (_, i) => `a${i}: &a${i} [${i ? `*a${i - 1}, *a${i - 1}` : 'x'}]`);
    expect(refusal(`version: 1\n${levels.join('\n')}`)).toContain('uses too many aliases');
  });

  it('says of every key that has no effect yet what happens instead, and takes the rest of the file', () => {
    const text = `version: 1
vms: {ralphsPerVm: 2, cpus: 3}
budget: {per: day, usd: 7, warnAt: 0.5}
limits: {stackDepth: 3, keepFreeOfUsageWindow: 0.25}
egress: {allow: [example.org]}
integrate: {mode: pr}
credentials: {anthropic: {from: env}, google: {from: env}}`;
    const { value, warnings } = read(text);
    expect(value).toMatchObject({
      vms: { size: { cpus: 3 } },
      budget: { usd: 7 },
      limits: { keepFreeOfUsageWindow: 0.25 },
    });
    expect(formatProblems('f', warnings)).toEqual([
      'f:2:7 `vms.ralphsPerVm` has no effect yet: each VM has one Ralph',
      'f:4:10 `limits.stackDepth` has no effect yet',
      expect.stringContaining('f:5:10 `egress.allow` has no effect yet'),
      expect.stringContaining('f:6:13 `integrate.mode` has no effect yet: no pull request is made'),
      'f:7:39 `credentials.google` has no effect yet: only `anthropic` and `openai` are used',
    ]);
  });

  it('serves metrics where it is told, on this machine alone, and nowhere when it is not', () => {
    expect(read('version: 1').value.metrics).toBe(null);
    expect(read('version: 1\nmetrics: {}').value.metrics).toEqual({ listen: '127.0.0.1:9464' });
    expect(read('version: 1\nmetrics: {listen: "[::1]:9000"}').value.metrics).toEqual({ listen: '[::1]:9000' });
    for (const far of [
      '0.0.0.0:9464',
      ':9464',
      '192.0.2.1:9464',
      'localhost',
      '127.0.0.1:70000',
      '127.0.0.999:1',
      '::1:9',
    ])
      expect(refusal(`version: 1\nmetrics: {listen: "${far}"}`)).toContain(
        `\`metrics.listen\` is "${far}": an address of this machine alone and a port, like 127.0.0.1:9464`,
      );
    expect(refusal('version: 1\nmetrics: on')).toContain('`metrics` is "on"');
  });

  it('takes an OTLP receiver, and none that would need a secret in its address', () => {
    const of = (url: string) => `version: 1\ntelemetry: {otlp: {url: "${url}"}}`;
    expect(read('version: 1').value.telemetry).toEqual({ loki: null, otlp: null });
    const { value, warnings } = read(of('http://127.0.0.1:4318'));
    expect([value.telemetry, warnings]).toEqual([{ loki: null, otlp: 'http://127.0.0.1:4318' }, []]);
    for (const url of ['http://me:word@host:4318', 'http://host?key=1', 'http://host#x'])
      expect(refusal(of(url))).toContain('an address without user, password, query and fragment');
    for (const url of ['127.0.0.1:4318', 'ftp://host', '']) expect(refusal(of(url))).toContain('telemetry.otlp.url');
  });

  it('says nothing of keys that do what they say', () => {
    const text =
      'version: 1\nvms: {ralphsPerVm: 1}\negress: {allow: []}\nintegrate: {mode: branch}\nbudget: {per: day, usd: 3, warnAt: 0.5}';
    expect(read(text).warnings).toEqual([]);
  });

  it('never fails in any other way than invalid_file', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => typeof refusal(`version: 1\n${text}`) === 'string'),
    );
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue()),
        (any) => typeof refusal(JSON.stringify(any)) === 'string',
      ),
    );
  });
});
