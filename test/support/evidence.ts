import type { RunRecord } from '../../src/domain/run-record.ts';
import type { BundleParts } from '../../src/evidence/schema.ts';
import { sealBundle } from '../../src/evidence/seal.ts';
import { canonicalJson } from '../../src/lib/canonical-json.ts';
import { sha256 } from '../../src/lib/digest.ts';
import { base, head } from './rows.ts';

const facts = { id: 'c', passed: true, exitCode: 0, timedOut: false, ms: 12 };
const said = (head: string) => ({ bytes: head.length, encoding: 'utf8' as const, head, tail: null });
const check = { id: 'c', description: 'it works', run: 'make test', timeoutSeconds: 60 };

export function aRecord(more: Partial<RunRecord> = {}): RunRecord {
  return {
    format: 'ralph-fleet-run',
    version: 1,
    run: 'ck-1',
    kind: 'verify',
    variant: 'as-committed',
    commit: head,
    tested: head,
    base,
    phase: 'passed',
    startedAt: '2026-11-21T10:00:00.000Z',
    endedAt: '2026-11-21T10:00:09.000Z',
    checks: [check],
    results: [{ ...facts, stdout: said('fine\n'), stderr: said('') }],
    protected: ['test/**'],
    services: [],
    vm: { id: '0000000a', clean: true, way: 'fork', size: { cpus: 2, memoryMiB: 1024, diskGiB: 10 } },
    disk: { key: 'd'.repeat(16), kind: 'image', image: 'd'.repeat(16), recipe: null },
    versions: {
      ...{ fleet: '0.1.0', driver: 'libvirt', hypervisor: 'libvirt 11.3', accel: 'tcg' },
      guest: { kernel: '7.2', image: 'd'.repeat(16), builder: 'debian', tools: { node: '24' } },
    },
    ...more,
  };
}

/** The parts of a whole bundle of one task, verified and reviewed. */
export function bundleParts(more: { commit?: string; base?: string; change?: Uint8Array } = {}): BundleParts {
  const at = { commit: more.commit ?? head, base: more.base ?? base };
  const record = aRecord({ ...at, tested: at.commit });
  const verified = {
    run: 'ck-1',
    variant: 'as-committed',
    tested: at.commit,
    phase: 'passed',
    results: [facts],
  } as const;
  const { change = null } = more;
  return {
    task: {
      ...{ id: 'T1', title: 'Mend the sum', project: 'shop', branch: 'main', asked: 'Please.', checks: [check] },
      ...{ ...at, change: 'kkkk', phase: 'awaiting_approval' },
    },
    verified: [{ ...verified, results: [facts], record: sha256(canonicalJson(record)) }],
    runs: [record],
    history: [],
    flaky: [],
    review: { phase: 'approved', round: 1, findings: [], summary: 'fine', at: '2026-11-21T10:05:00.000Z' },
    approval: null,
    change:
      change === null
        ? null
        : { bytes: change.length, sha256: sha256(change), base64: Buffer.from(change).toString('base64') },
  };
}

export const made = { at: '2026-11-21T11:00:00.000Z', by: 'ralph-fleet 0.1.0' };
export const aBundle = (more: Parameters<typeof bundleParts>[0] = {}) => sealBundle(bundleParts(more), made);
