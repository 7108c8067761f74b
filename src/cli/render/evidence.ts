import type { EvidenceView } from '../../contract/evidence.ts';
import type { FileView } from '../../contract/task-view.ts';
import { cell, clean } from './cell.ts';
import { age, imputed, lasted, plural, short, since, tokens, usd } from './figures.ts';
import { type Look, mark, paint } from './look.ts';

/** What was asked, is it done, how do I know, what should I look at, what does it cost me to be wrong: A3.5, within 40 lines. */
export function renderEvidence(view: EvidenceView, look: Look): string[] {
  const waits = view.dependents.length > 0 ? ` · ${clean(view.dependents.join(', '))} waits for this` : '';
  const head = `${cell(`${view.task} ${view.title}`, look.columns - 36).trimEnd()}`;
  const right = `${clean(view.project)} · waits ${since(view.since, look.now)}${waits}`;
  return [
    `${paint(look, 'bold', head)}   ${right}`,
    `Asked     ${cell(JSON.stringify(firstWords(view.asked)), look.columns - 10)}`,
    `Bound to  commit ${short(view.commit)} · base ${clean(view.baseBranch)}@${short(view.base)} (${tipWord(view.baseIsTip)}) · evidence sha256 ${view.digest.slice(0, 8)}…`,
    (look.ascii ? '-' : '─').repeat(look.columns),
    ...proof(view, look),
    ...lookHere(view, look),
    ...reviewer(view, look),
    ...changes(view, look),
    ...cost(view),
    ...(view.said === null
      ? []
      : [`6 Said         ${cell(`${firstWords(view.said)} (its own words, unverified)`, look.columns - 15)}`]),
    ...arrived(view),
    ...flags(view, look),
    `7 If wrong     ${cell(view.undo, look.columns - 15)}`,
  ];
}

function firstWords(text: string): string {
  return (
    text
      .trim()
      .split(/\n\s*\n/)[0]
      ?.replace(/\s+/g, ' ') ?? ''
  );
}

function tipWord(isTip: boolean | null): string {
  if (isTip === null) return 'whether it is the tip is unknown';
  return isTip ? 'still the tip' : 'the branch has moved on';
}

const indent = ' '.repeat(15);

function proof({ proof, commit, flaky }: EvidenceView, look: Look): string[] {
  const all = proof.total > 0 && proof.passed === proof.total;
  const sign = mark(look, all ? 'ok' : 'fail');
  const where = proof.cleanVm ? 'run by the controller in a clean VM' : 'run in a VM that was used before';
  const head = `1 Proof        ${sign} ${proof.passed} of ${proof.total} criteria, ${where} on ${short(commit)}, ${lasted(proof.ms)}`;
  const rows = proof.rows.slice(0, 10).map((row) => {
    const before = row.baseline === null ? 'not run' : mark(look, row.baseline.passed ? 'ok' : 'fail');
    const after = row.asCommitted === null ? 'not run' : mark(look, row.asCommitted.passed ? 'ok' : 'fail');
    const restored =
      row.restored === null
        ? ''
        : `   with protected files put back ${mark(look, row.restored.passed ? 'ok' : 'fail')}`;
    return `${indent}${cell(row.id, 20)} before ${before}  after ${after}${restored}`;
  });
  const doubtful = flaky.map((one) => indent + flakyLine(one, look));
  return [head, ...rows, ...more(proof.rows.length - rows.length, 'check'), ...doubtful];
}

export function flakyLine({ check, commit, passed, runs }: EvidenceView['flaky'][number], look: Look): string {
  return `${mark(look, 'warn')} ${cell(check, 40).trimEnd()} is flaky: it passed ${passed} of ${runs} times on ${short(commit)}`;
}

function lookHere({ calledOut }: EvidenceView, look: Look): string[] {
  if (calledOut.length === 0) return ['2 Look here    nothing called out: no test, check, CI or dependency changed'];
  const lines = calledOut.slice(0, 8).map((one, i) => {
    const text = `${mark(look, 'warn')} ${cell(one.path, 34)} ${cell(one.what, look.columns - 52)}`;
    return i === 0 ? `2 Look here    ${text}` : indent + text;
  });
  return [...lines, ...more(calledOut.length - lines.length, 'called-out file')];
}

function reviewer({ review }: EvidenceView, look: Look): string[] {
  if (review === null) return ['3 Reviewer     none: the fleet asks for no review'];
  const word = review.verdict === 'approved' ? 'approve' : review.verdict.replace('_', ' ');
  const head = `3 Reviewer     ${word} (round ${review.round} of ${review.rounds}), did not see the implementer's talk`;
  const findings = review.findings.slice(0, 5).map((one) => {
    const place = one.file === null ? '' : `${one.file}${one.line === null ? '' : `:${one.line}`} `;
    return `${indent}${cell(`◦ ${one.severity}  ${place}${one.what}`, look.columns - 15)}`;
  });
  const solved =
    review.solvedEarlier > 0
      ? [`${indent}${mark(look, 'ok')} solved earlier: ${plural(review.solvedEarlier, 'finding')}`]
      : [];
  return [head, ...findings, ...more(review.findings.length - findings.length, 'finding'), ...solved];
}

const classes = [
  ['core', 'A  core logic'],
  ['tests', 'B  tests'],
  ['build', 'C  build and CI'],
  ['generated', 'D  generated'],
] as const;

function changes({ files }: EvidenceView, look: Look): string[] {
  const added = files.reduce((sum, file) => sum + (file.added ?? 0), 0);
  const deleted = files.reduce((sum, file) => sum + (file.deleted ?? 0), 0);
  const rows = classes.flatMap(([risk, label]) => {
    const some = files.filter((file) => file.risk === risk);
    if (some.length === 0) return [];
    const text =
      some.slice(0, 4).map(fileWords).join('   ') + (some.length > 4 ? `   and ${some.length - 4} more` : '');
    return [`${indent}${cell(label, 18)}${cell(text, look.columns - 33)}`];
  });
  return [`4 Changes      ${plural(files.length, 'file')} +${added} −${deleted}, in reading order by risk`, ...rows];
}

function fileWords(file: FileView): string {
  const size = file.added === null ? 'binary' : `+${file.added}${file.deleted ? ` −${file.deleted}` : ''}`;
  return `${file.path} ${size}${file.status === 'added' ? ' (new)' : file.status === 'deleted' ? ' (gone)' : ''}`;
}

function cost({ cost }: EvidenceView): string[] {
  const of = cost.limitUsd === null ? '' : ` of $${cost.limitUsd}`;
  const retries = cost.uncounted > 0 ? ` · ${plural(cost.uncounted, 'infra retry', 'infra retries')} not counted` : '';
  const spent = `${tokens(cost.spent.tokens)} tokens · $${usd(cost.spent.usd)}${of}${imputed(cost.spent)} · ${age(cost.spent.seconds * 1000)}`;
  return [`5 Cost         ${plural(cost.iterations, 'iteration')} · ${spent}${retries}`];
}

/** That the agent was asked what the fleet says it was asked, and could answer. */
function arrived({ arrived }: EvidenceView): string[] {
  if (arrived === null) return [];
  const { iterations, prompt, tools } = arrived;
  const seen = `${indent}seen on the way to the model: the prompt in ${prompt}, the tools in ${tools}`;
  return [`${seen} of ${plural(iterations, 'iteration')}`];
}

function flags({ flags }: EvidenceView, look: Look): string[] {
  const lines = flags.slice(0, 4).map((one) => {
    const text = `flagged (${one.severity}, ${one.category}): ${one.what}`;
    return `${indent}${mark(look, 'warn')} ${cell(text, look.columns - 17)}`;
  });
  return [...lines, ...more(flags.length - lines.length, 'flag')];
}

function more(left: number, noun: string): string[] {
  return left > 0 ? [`${indent}and ${plural(left, `more ${noun}`)}`] : [];
}
