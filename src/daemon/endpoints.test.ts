import { expect, it } from 'vitest';
import { config } from '../../test/support/rows.ts';
import type { Endpoints } from '../stack/endpoints.ts';
import { fillOpen } from './endpoints.ts';

const found: Endpoints = {
  version: 1,
  metrics: { listen: '127.0.0.1:9470' },
  prometheus: { url: 'http://127.0.0.1:9090' },
  loki: { url: 'http://127.0.0.1:3100' },
  otlp: null,
  tempo: null,
  grafana: null,
};

it('a stack that runs fills in what fleet.yaml leaves open, and nothing else', () => {
  const open = { ...config, metrics: null, telemetry: { ...config.telemetry, loki: null } };
  expect(fillOpen(open, found)).toMatchObject({
    metrics: { listen: '127.0.0.1:9470' },
    telemetry: { loki: 'http://127.0.0.1:3100' },
  });
  expect(fillOpen(open, null)).toBe(open);
  const said = { ...config, metrics: { listen: '127.0.0.1:1' }, telemetry: { ...config.telemetry, loki: 'http://l' } };
  expect(fillOpen(said, found)).toEqual(said);
});
