import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatDuration } from '../src/duration.js';

test('seconds alone', () => {
  assert.equal(formatDuration(0), '0 s');
  assert.equal(formatDuration(59), '59 s');
});

test('minutes and seconds', () => {
  assert.equal(formatDuration(65), '1 min 5 s');
  assert.equal(formatDuration(754), '12 min 34 s');
});

test('hours, minutes and seconds', () => {
  assert.equal(formatDuration(3661), '1 h 1 min 1 s');
  assert.equal(formatDuration(86399), '23 h 59 min 59 s');
});

test('parts that are zero are left out', () => {
  assert.equal(formatDuration(60), '1 min');
  assert.equal(formatDuration(3600), '1 h');
  assert.equal(formatDuration(3605), '1 h 5 s');
});
