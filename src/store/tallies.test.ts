import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import { openDatabase } from './open.ts';
import { createStore } from './store.ts';

it('totals move with the transaction they are counted in', () => {
  const db = openDatabase(':memory:');
  const clock = createVirtualClock();
  const store = createStore({ db, clock });
  const kept = () => createStore({ db, clock }).tallies.all();
  const count = (by: number) => store.tallies.add('calls_total', { b: '2', a: '1' }, by);
  store.tx(() => {
    count(1);
    count(2);
  });
  expect(() =>
    store.tx(() => {
      count(4);
      throw new Error('taken back');
    }),
  ).toThrow('taken back');
  count(8);
  const total = [{ name: 'calls_total', labels: { a: '1', b: '2' }, value: 11 }];
  expect(store.tallies.all()).toEqual(total);
  expect(kept()).toEqual(total);
});
