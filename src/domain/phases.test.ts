import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFleetError } from '../lib/errors.ts';
import { assertMove, canMove, type Transitions } from './phase-table.ts';
import { endedPhases, parkedPhases, taskPhases, taskTransitions } from './task.ts';
import { vmPhases, vmTransitions } from './vm.ts';

function reachable<P extends string>(table: Transitions<P>, from: P): Set<P> {
  const seen = new Set<P>([from]);
  for (const phase of seen) for (const next of table[phase]) seen.add(next);
  return seen;
}

describe('a task', () => {
  it('can come to every phase from `draft`, and nothing leads to an unknown one', () => {
    expect([...reachable(taskTransitions, 'draft')].sort()).toEqual([...taskPhases].sort());
  });

  it('has no way out of an end, but for a person who tries a failed one again', () => {
    for (const phase of endedPhases) {
      if (phase === 'failed') expect(taskTransitions.failed).toEqual(['ready', 'cancelled']);
      else expect(taskTransitions[phase]).toEqual([]);
    }
  });

  it('can come to its end from wherever it is', () => {
    for (const phase of taskPhases) {
      const to = reachable(taskTransitions, phase);
      expect(endedPhases.some((end) => to.has(end))).toBe(true);
    }
  });

  it('goes on from every park, and never straight to work', () => {
    for (const phase of parkedPhases) {
      expect(taskTransitions[phase]).toContain('ready');
      expect(taskTransitions[phase]).not.toContain('implementing');
    }
  });

  it('is merged only from `integrating` or a pull request', () => {
    const before = taskPhases.filter((phase) => canMove(taskTransitions, phase, 'merged'));
    expect(before).toEqual(['integrating', 'pr_open']);
  });
});

describe('a VM', () => {
  it('can come to every phase, and from each to `gone`', () => {
    expect([...reachable(vmTransitions, 'wanted')].sort()).toEqual([...vmPhases].sort());
    for (const phase of vmPhases) expect(reachable(vmTransitions, phase).has('gone')).toBe(true);
  });

  it('is gone for good, and is removed before it is gone', () => {
    expect(vmTransitions.gone).toEqual([]);
    expect(vmPhases.filter((phase) => canMove(vmTransitions, phase, 'gone'))).toEqual(['wanted', 'deleting']);
  });
});

describe('assertMove', () => {
  it('lets through what the table has, and names noun, id and phases of the rest', () => {
    fc.assert(
      fc.property(fc.constantFrom(...taskPhases), fc.constantFrom(...taskPhases), (from, to) => {
        try {
          assertMove('task', 'T7', taskTransitions, from, to);
          expect(canMove(taskTransitions, from, to)).toBe(true);
        } catch (error) {
          expect(canMove(taskTransitions, from, to)).toBe(false);
          expect(isFleetError(error, 'illegal_transition')).toBe(true);
          expect(String(error)).toContain(`Cannot move task \`T7\` from \`${from}\` to \`${to}\`.`);
        }
      }),
    );
  });
});
