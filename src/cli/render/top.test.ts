import { expect, it } from 'vitest';
import { busyFleet, emptyFleet, now } from '../../../test/fixtures/views.ts';
import { join, type Look } from './look.ts';
import { renderTop, topFigures } from './top.ts';

const look: Look = { colour: false, ascii: false, columns: 100, rows: 24, now, timeZone: 'UTC' };

it('shows the key numbers, then the Ralphs', () => {
  const lines = renderTop(busyFleet(), look);
  expect(`\n${join(look, lines.slice(0, 11))}`).toMatchInlineSnapshot(`
    "
    Tasks     2 implementing · 2 waiting · 1 awaiting approval · 1 needs input · 1 reviewing · 1 verify…
    Oldest    2 h 10 m awaiting approval · 12 m needs input
    Ralphs    3 working · 1 parked · 1 starting · 1 unknown · 1 idle
    VMs       5 ready
    USD       ▓▓▓▓░░░░░░ 39 %   7.42 settled, 0.40 reserved, of 20.00 per day
    Tokens    ▓▓▓▓▓▓░░░░ 63 %   3.1 M settled, 60 k reserved, of 5.0 M
    Calls     ░░░░░░░░░░ 0 %   window 38 %
    Host      memory 9.1 of 24 GiB promised   disk 57.4 GiB free
    Pass      0.0 s ago
    Problems  none

    "
  `);
  expect(lines[11]).toContain('RALPH');
  expect(lines.join('\n')).toContain('implementer-1');
});

it('counts reserved amounts as used, and knows only of what there is', () => {
  const view = busyFleet();
  view.budget.reserved = { usd: view.budget.limit.usd, tokens: 0, calls: 0 };
  expect(topFigures(view).budget.usedRatio.usd).toBeGreaterThan(1);
  expect(topFigures(emptyFleet())).toMatchObject({ tasks: {}, ralphs: {}, oldestSeconds: {} });
  expect(renderTop(emptyFleet(), look).join('\n')).toContain('Tasks     none');
});
