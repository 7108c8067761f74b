import { type EvidenceRows, evidenceDigest } from '../domain/evidence.ts';
import { canonicalJson } from '../lib/canonical-json.ts';
import { sha256 } from '../lib/digest.ts';
import type { BundleParts, EvidenceBundle } from './schema.ts';

/** A bundle of these parts. */
export function sealBundle(parts: BundleParts, made: { at: string; by: string }): EvidenceBundle {
  const manifest = Object.fromEntries(Object.entries(parts).map(([part, value]) => [part, digestOf(value)]));
  const body = {
    format: 'ralph-fleet-evidence' as const,
    version: 1 as const,
    madeAt: made.at,
    madeBy: made.by,
    evidence: factsDigest(parts),
    parts,
    manifest,
  };
  return { ...body, digest: bundleDigest(body) };
}

/** What in a bundle does not agree with the rest of it; a stranger may have changed anything. */
export function problemsOf(bundle: EvidenceBundle): string[] {
  const { parts, manifest } = bundle;
  const { task, verified, runs, change } = parts;
  const problems: string[] = [];
  const expect = (isTrue: boolean, what: string) => void (isTrue || problems.push(what));
  for (const [part, value] of Object.entries(parts))
    expect(manifest[part] === digestOf(value), `\`${part}\` is not what the manifest says`);
  expect(bundle.digest === bundleDigest(bundle), 'its digest is another one');
  expect(bundle.evidence === factsDigest(parts), 'its facts are not those of its evidence digest');
  for (const run of [...runs, ...verified.filter((one) => one.variant === 'as-committed')])
    if ('commit' in run) expect(isOf(run, task), `run \`${run.run}\` is of another commit`);
    else expect(run.tested === task.commit, `run \`${run.run}\` is of another commit`);
  for (const { run, record, results } of verified) {
    const whole = runs.find((one) => digestOf(one) === record);
    expect(record === null || whole !== undefined, `the record of run \`${run}\` is missing`);
    const facts = whole?.results.map(({ stdout: _, stderr: __, ...result }) => result);
    expect(
      facts === undefined || digestOf(facts) === digestOf(results),
      `run \`${run}\` came to something else than its record says`,
    );
  }
  if (change !== null) {
    const bytes = Buffer.from(change.base64, 'base64');
    expect(bytes.length === change.bytes && sha256(bytes) === change.sha256, 'the change is not what its sha256 says');
  }
  return problems;
}

function isOf(run: { commit: string; base: string }, task: { commit: string; base: string }): boolean {
  return run.commit === task.commit && run.base === task.base;
}

function digestOf(value: unknown): string {
  return sha256(canonicalJson(value));
}

/** The parts go in by the manifest, which holds their digests. */
function bundleDigest({
  format,
  version,
  madeAt,
  madeBy,
  evidence,
  manifest,
}: Omit<EvidenceBundle, 'digest' | 'parts'>): string {
  return digestOf({ format, version, madeAt, madeBy, evidence, manifest });
}

function factsDigest({ task: { commit, base }, verified, review }: BundleParts): string {
  const run = { kind: 'verify', commit, base, startedAt: 0 };
  const rows = {
    commit,
    base,
    checkRuns: verified.map((one) => ({ ...one, ...run })),
    reviews: review === null ? [] : [{ ...review, commit, at: 0 }],
  };
  return evidenceDigest(rows as unknown as EvidenceRows);
}
