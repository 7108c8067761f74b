import { expect, it } from 'vitest';
import { createVirtualClock } from '../../test/simulation/virtual-clock.ts';
import type { Endpoints } from '../stack/endpoints.ts';
import { createStackWatch } from './stack-watch.ts';

const stack: Endpoints = {
  version: 1,
  metrics: { listen: '127.0.0.1:9464' },
  prometheus: { url: 'http://127.0.0.1:9090' },
  loki: { url: 'http://127.0.0.1:3100' },
  ...{ otlp: null, tempo: null, grafana: null },
};

it('says after a minute which server of the stack is silent, until it answers or the stack is ended', async () => {
  const clock = createVirtualClock();
  const asked = new Set<string>();
  let found: Endpoints | null = stack;
  let isUp = true;
  const isReady = async (url: string) => {
    asked.add(url);
    return isUp || !url.includes('9090');
  };
  const watch = createStackWatch({ endpoints: () => found, clock, isReady });
  const looks = async (count: number) => {
    for (let n = 0; n < count; n++) await clock.step();
    return watch.problems().map(({ what }) => what);
  };
  expect(await looks(3)).toEqual([]);
  expect([...asked]).toEqual(['http://127.0.0.1:9090/-/ready', 'http://127.0.0.1:3100/ready']);
  isUp = false;
  expect(await looks(2)).toEqual([]);
  expect(await looks(1)).toEqual(['Prometheus of the telemetry stack does not answer at http://127.0.0.1:9090']);
  isUp = true;
  expect(await looks(1)).toEqual([]);
  isUp = false;
  expect(await looks(3)).toHaveLength(1);
  found = null;
  expect(await looks(1)).toEqual([]);
  watch.close();
  expect(clock.step()).toBe(null);
});
