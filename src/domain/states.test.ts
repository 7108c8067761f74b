import { describe, expect, it } from 'vitest';
import { phasesOf, shownState, shownStates, stateLooks } from './states.ts';
import { parkedPhases, taskPhases } from './task.ts';

describe('shown states', () => {
  it('maps every phase to exactly one state, and every state but unknown has phases', () => {
    const listed = shownStates.flatMap((state) => phasesOf(state));
    expect(listed.toSorted()).toEqual([...taskPhases].toSorted());
    for (const state of shownStates) expect(phasesOf(state).length > 0 || state === 'unknown', state).toBe(true);
  });

  it('tells every state apart by glyph and by ASCII sign, not by colour alone', () => {
    expect(new Set(shownStates.map((s) => stateLooks[s].glyph)).size).toBe(shownStates.length);
    expect(new Set(shownStates.map((s) => stateLooks[s].ascii)).size).toBe(shownStates.length);
    expect(shownStates.every((s) => /^[!-~]$/.test(stateLooks[s].ascii))).toBe(true);
  });

  it('never shows a parked task as working, and lets a failure rest once it was seen', () => {
    for (const phase of parkedPhases) expect(['parked', 'needs-you']).toContain(shownState(phase));
    expect(shownState('failed')).toBe('needs-you');
    expect(shownState('failed', true)).toBe('ended');
  });
});
