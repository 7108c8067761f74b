import { describe, expect, it } from 'vitest';
import { type ErrorCode, errorCodes, FleetError } from '../lib/errors.ts';
import { exitCodeOf, fromErrorBody, httpStatusOf, toErrorBody } from './errors.ts';
import { fillPath, routePaths } from './route-paths.ts';
import { routes } from './routes.ts';

describe('routes', () => {
  it('has schemas for every path, and no two routes share method and path', () => {
    expect(Object.keys(routes).toSorted()).toEqual(Object.keys(routePaths).toSorted());
    const seen = Object.values(routePaths).map((route) => route.join(' '));
    expect(new Set(seen).size).toBe(seen.length);
  });

  it('fills parameters so that no value can change the path', () => {
    expect(fillPath('/v1/tasks/:id/diff', { id: '../x?y#z' })).toBe('/v1/tasks/..%2Fx%3Fy%23z/diff');
  });
});

describe('errors', () => {
  it('gives every code a failing status and a documented exit code', () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      expect(httpStatusOf(code), code).toBeGreaterThanOrEqual(400);
      expect([1, 2, 3, 4, 5, 6], code).toContain(exitCodeOf(code));
    }
  });

  it('comes through the wire with code, message, remedy and causes', () => {
    const error = new FleetError('refused', 'no', { remedy: 'do', cause: new Error('a', { cause: new Error('b') }) });
    const back = fromErrorBody(JSON.parse(JSON.stringify(toErrorBody(error))), 409);
    expect(back).toMatchObject({ code: 'refused', message: 'no', remedy: 'do' });
    expect(toErrorBody(back)).toEqual(toErrorBody(error));
  });

  it.each([null, 'x', {}, { error: { code: 'toString', message: 'x' } }, { error: { code: 'bug' } }])(
    'takes %j for no error of ours',
    (body) => {
      expect(fromErrorBody(body, 502).code).toBe('bug');
    },
  );
});
