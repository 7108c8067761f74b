import { describe, expect, it } from 'vitest';
import { busyFleet, emptyFleet, evidence, now, taskView } from '../../../test/fixtures/views.ts';
import { evidenceView } from '../../contract/evidence.ts';
import { fleetView } from '../../contract/fleet-view.ts';
import { taskView as taskSchema } from '../../contract/task-view.ts';
import { inbox } from '../../domain/inbox.ts';
import { FleetError } from '../../lib/errors.ts';
import { renderError } from './error.ts';
import { renderEvidence } from './evidence.ts';
import { age, clockTime, tokens } from './figures.ts';
import { renderTasks, renderVms } from './lists.ts';
import { join, type Look } from './look.ts';
import { renderStatus } from './status.ts';
import { renderTask } from './task.ts';

const look: Look = { colour: false, ascii: false, columns: 100, rows: 24, now, timeZone: 'UTC' };
const show = (lines: string[], by: Look = look) => `\n${join(by, lines)}`;

describe('status', () => {
  it('is the documented screen', () => {
    expect(fleetView.parse(busyFleet())).toEqual(busyFleet());
    expect(show(renderStatus(busyFleet(), look))).toMatchInlineSnapshot(`
      "
      NEEDS YOU 2
        ! approve  T41 retry the webhook with backoff      verified on 3f9c2e1, reviewed, 2 cal…  2 h 10 m
                   ralph-fleet approve T41                                                           $1.84
        ! answer   T44 which currency column is the true one?                                         12 m
                   ralph-fleet task answer T44 a

         RALPH          TASK                      DOES                       SINCE  ITER   OUT TOKENS  USD
       ● implementer-1  T42 parse invoices        edits                       14 m  3/10   4 s  412 k 0.93
       ● implementer-2  T45 flaky login test      runs tests                   6 m  3/10  31 s  412 k 0.93
       ◐ reviewer-1     T43 rate limiter          reads the diff              14 m   1/3   4 s  412 k 0.93
       ‖ implementer-3  T46 search index          usage limit, until 14:…     51 m  3/10     –  412 k 0.93
       ○ implementer-4  –                         starting                    14 m     –     –      –    –
       ? implementer-5  T45 flaky login test      its guest does not ans…     14 m  3/10     ?  412 k 0.93
       ○ reviewer-2     –                         idle                        14 m     –     –      –    –
       ◐ verifier       T40 CSV export            check 4 of 6: npm test       1 m     –     –      –    –
         queued 3 (2 wait for T42, 1 ready; review limit 1 of 5)

      Budget  5.0 M tokens  ▓▓▓▓▓▓░░░░ 62 %   $20  ▓▓▓▓░░░░░░ 37 % per day   window 38 %, resets 14:30
      Host    memory 9.1 of 24 GiB promised, 14 free   disk 57 GiB free   5 VMs, 4 forked
      Problems none                                                         as of 13:39:02, pass 0.4 s ago
      "
    `);
  });

  it('fits 24 lines of 100 columns with eight rows, however much needs you', () => {
    const view = busyFleet();
    const many = { ...view, inbox: Array.from({ length: 30 }, () => view.inbox).flat() };
    for (const one of [view, many]) {
      const lines = renderStatus(one, look);
      expect(lines.length).toBeLessThanOrEqual(24);
      for (const line of lines) expect([...line].length, line).toBeLessThanOrEqual(100);
    }
    expect(show(renderStatus(many, look))).toContain('more: ralph-fleet status --json');
  });

  it('tells of a usage limit without a call for you', () => {
    const limit = {
      ...{ id: 'anthropic:ab:5h', provider: 'anthropic', window: '5h', usedRatio: 1, cause: 'reached' as const },
      ...{ since: now, until: now + 3_600_000 },
    };
    const snapshot = { now, tasks: [], flags: [], reviewsWaitingLimit: 5, budgetGone: null, problems: [] };
    const lines = renderStatus({ ...emptyFleet(), inbox: inbox({ ...snapshot, limits: [limit] }) }, look);
    expect(lines[0]).toBe('Nothing needs you.');
    expect(lines[1]).toContain('info     the 5-hour limit of anthropic is');
  });

  it('says what would fill an empty screen, and that the fleet is paused or down', () => {
    expect(show(renderStatus(emptyFleet(), look))).toMatchInlineSnapshot(`
      "
      Nothing needs you.

      No tasks yet. Submit one:  ralph-fleet submit TASK.md   or see it work:  ralph-fleet up --demo

      Budget  5.0 M tokens  ▓▓▓▓▓▓░░░░ 62 %   $20  ▓▓▓▓░░░░░░ 37 % per day   window 38 %, resets 14:30
      Host    memory 0 of 24 GiB promised, 14 free   disk 57 GiB free   0 VMs
      Problems none                                                         as of 13:39:02, pass 0.4 s ago
      "
    `);
    const view = emptyFleet();
    expect(renderStatus({ ...view, fleet: { ...view.fleet, paused: true } }, look)[0]).toContain('ralph-fleet resume');
    expect(renderStatus({ ...view, fleet: { ...view.fleet, desired: 'down' } }, look)[0]).toContain('ralph-fleet up');
  });

  it('says what of it does not fit on the host', () => {
    const view = busyFleet();
    const advice = '5 VMs of 4 GiB are asked for, 2 fit on 12 GiB of memory: the others wait; all would with less';
    const shown = show(renderStatus({ ...view, host: { ...view.host, advice } }, look));
    expect(shown).toContain(`Fits    ${advice}`);
  });

  it('lets no hostile title or message move the cursor, colour the screen or add a line', () => {
    const bad = '\x1b[2J\x1b]0;owned\x07\n\rNEEDS YOU 99 🚀';
    const view = busyFleet();
    const hostile = {
      ...view,
      tasks: view.tasks.map((task) => ({
        ...task,
        title: bad,
        does: bad,
        reason: bad,
        waitsFor: bad,
        dependsOn: [bad],
      })),
      ralphs: view.ralphs.map((ralph) => ({ ...ralph, does: bad, waitsFor: bad })),
      inbox: view.inbox.map((item) => ({ ...item, title: bad, why: bad })),
      problems: [{ what: bad, since: view.asOf, remedy: bad, severity: 'error' as const }],
    };
    const text = show([
      ...renderStatus(hostile, look),
      ...renderTasks(hostile.tasks, look),
      ...renderVms(
        view.vms.map((vm) => ({ ...vm, waitsFor: bad, failure: bad })),
        look,
      ),
    ]);
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
    expect(text).not.toContain('owned');
    expect(text.split('\n').filter((line) => line.startsWith('NEEDS YOU'))).toEqual(['NEEDS YOU 2']);
  });

  it('uses colour only where asked, and nothing beyond ASCII under --ascii', () => {
    expect(show(renderStatus(busyFleet(), { ...look, colour: true }))).toContain('\x1b[33m!\x1b[39m');
    const ascii = { ...look, ascii: true };
    expect(show([...renderStatus(busyFleet(), ascii), ...renderEvidence(evidence(), ascii)], ascii)).toMatch(
      /^[\n\x20-\x7e]*$/,
    );
  });
});

describe('evidence', () => {
  it('names a flaky check with its counts, here and in the task', () => {
    const flaky = [{ check: 'unit', commit: '3f9c2e1'.padEnd(40, '0'), passed: 2, runs: 3 }];
    const line = 'unit is flaky: it passed 2 of 3 times on 3f9c2e1';
    expect(show(renderEvidence({ ...evidence(), flaky }, look))).toContain(line);
    expect(show(renderTask({ ...taskView(), flaky }, look))).toContain(line);
    expect(show(renderEvidence(evidence(), look))).not.toContain('flaky');
  });

  it('answers the five questions within 40 lines', () => {
    expect(evidenceView.parse(evidence())).toEqual(evidence());
    const lines = renderEvidence(evidence(), look);
    expect(lines.length).toBeLessThanOrEqual(40);
    expect(show(lines)).toMatchInlineSnapshot(`
      "
      T41 retry the webhook with backoff   shop-api · waits 2 h 10 m · T49 waits for this
      Asked     "When the partner webhook fails, retry with exponential backoff, at most 6 times."
      Bound to  commit 3f9c2e1 · base main@90aa1d2 (still the tip) · evidence sha256 9b1c0000…
      ────────────────────────────────────────────────────────────────────────────────────────────────────
      1 Proof        ✓ 3 of 3 criteria, run by the controller in a clean VM on 3f9c2e1, 51.0 s
                     retries              before ✗  after ✓   with protected files put back ✓
                     unit                 before ✓  after ✓
                     lint                 before not run  after ✓
      2 Look here    ▲ test/webhook.test.ts               1 assertion removed: expect(calls).toBe(1)
                     ▲ .github/workflows/ci.yml           CI file changed
      3 Reviewer     approve (round 2 of 3), did not see the implementer's talk
                     ◦ minor  src/webhook.ts:88 jitter is not seeded in tests
                     ✓ solved earlier: 2 findings
      4 Changes      4 files +139 −23, in reading order by risk
                     A  core logic     src/webhook.ts +61 −9   src/retry.ts +44 (new)
                     B  tests          test/webhook.test.ts +22 −14
                     D  generated      package-lock.json +12
      5 Cost         3 iterations · 412 k tokens · $1.84 of $5 · 23 m · 1 infra retry not counted
      6 Said         I added retries. (its own words, unverified)
                     seen on the way to the model: the prompt in 3, the tools in 2 of 3 iterations
                     ▲ flagged (high, security): the webhook key stands in test/fixtures
      7 If wrong     branch ralph/T41, one commit; revert: git revert 3f9c2e1
      "
    `);
  });

  it('does not call a proof a proof when something failed or nothing was run', () => {
    const { proof, ...rest } = evidence();
    for (const counts of [
      { passed: 2, total: 3 },
      { passed: 0, total: 0 },
    ]) {
      expect(show(renderEvidence({ ...rest, proof: { ...proof, ...counts } }, look))).toContain('1 Proof        ✗');
    }
    const moved = renderEvidence({ ...evidence(), baseIsTip: false, proof: { ...proof, cleanVm: false } }, look).join(
      '\n',
    );
    expect(moved).toContain('the branch has moved on');
    expect(moved).toContain('run in a VM that was used before');
  });
});

describe('task, tasks', () => {
  it('shows the question with its options and the command', () => {
    expect(taskSchema.parse(taskView())).toEqual(taskView());
    expect(show(renderTask(taskView(), look))).toMatchInlineSnapshot(`
      "
      ! T44 normalise prices
      Project    shop-api
      Phase      needs_input since 14 m
      Commit     3f9c2e1 on 90aa1d2
      Spent      412 k tokens · $1.84 · 3 of 10 iterations
      Asks       which column?
                   a) price_minor
                   b) price (its choice)
                 ralph-fleet task answer T44 a

        Prices are stored twice.

      Flags
        high    security     the webhook key stands in test/fixtures

      Timeline
        13:38:02 T44 asks a question
      "
    `);
    const [question] = taskView().questions;
    if (question === undefined) throw new Error('the fixture asks nothing');
    const aside = {
      ...question,
      id: 2,
      question: 'tabs?',
      options: [],
      preferred: null,
      blocking: false,
      iteration: 4,
    };
    const failed = {
      ...taskView(),
      question: aside,
      questions: [{ ...question, answer: 'price', closedAt: question.askedAt }, aside],
      howItWent: ['Tried 3 times: 3 stuck. The last:', '  3. stuck: it said: \u001b[31mno port'],
    };
    expect(show(renderTask(failed, look).slice(5, 18))).toMatchInlineSnapshot(`
      "
      Asks       tabs? (it goes on meanwhile)
                 ralph-fleet task answer T44 TEXT

        Prices are stored twice.

      How it went
        Tried 3 times: 3 stuck. The last:
          3. stuck: it said: no port

      Questions
        3. which column?
           price

      "
    `);
    expect(show(renderTasks(busyFleet().tasks.slice(0, 3), look))).toMatchInlineSnapshot(`
      "
         TASK   TITLE                PHASE              WAITS FOR               SINCE   ITER TOKENS   USD
       ! T41    retry the webhook w… awaiting_approval                       2 h 10 m   3/10  412 k  1.84
       ! T44    normalise prices     needs_input                                 12 m   3/10  412 k  1.84
       ● T42    parse invoices       implementing                                14 m   3/10  412 k  1.84
      "
    `);
  });
});

describe('errors', () => {
  it('are three parts; causes and stacks only with --debug', () => {
    const error = new FleetError('vm_not_ready', 'Cannot attach to `implementer-1`: its VM is `stopped`.', {
      remedy: 'ralph-fleet vm start implementer-1',
      cause: new Error('inner\x1b[2J'),
    });
    expect(show(renderError(error, look, false))).toMatchInlineSnapshot(`
      "
      ✗ Cannot attach to \`implementer-1\`: its VM is \`stopped\`.
        ralph-fleet vm start implementer-1
        (code vm_not_ready; --debug for the chain)
      "
    `);
    expect(renderError(error, look, true).join('\n')).toMatch(/because: Error: inner\n {4}at /);
    expect(renderError(new TypeError('x'), look, false).join('\n')).toContain('Please report it');
  });
});

describe('figures', () => {
  it.each([
    [4000, '4 s'],
    [14 * 60_000, '14 m'],
    [130 * 60_000, '2 h 10 m'],
    [120 * 60_000, '2 h'],
    [49 * 3_600_000, '2 d 1 h'],
    [-5, '0 s'],
  ])('says %i ms as %s', (ms, text) => {
    expect(age(ms)).toBe(text);
  });

  it('tells the time of day here as it does elsewhere', () => {
    const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const at of ['2026-11-21T00:00:05Z', '2026-06-01T23:59:59Z']) expect(clockTime(at)).toBe(clockTime(at, here));
  });

  it('says tokens as 999, 412 k, 5.0 M', () => {
    expect([999, 411_600, 999_499, 999_500, 5e6].map(tokens)).toEqual(['999', '412 k', '999 k', '1.0 M', '5.0 M']);
  });
});
