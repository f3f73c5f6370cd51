import { expect, test } from 'vitest';
import { role } from '@serin/protocol/api/resources';
import { routes, type RouteName } from '@serin/protocol/api/routes';
import { mayCall, refusalOf } from './access.ts';

test('roles only ever add: what a viewer may, an operator may, what an operator may, an administrator may', () => {
  for (const name of Object.keys(routes) as RouteName[]) {
    const allowed = ['viewer', 'operator', 'admin'].map((each) => mayCall(role.parse(each), name));
    expect(allowed).toEqual(allowed.toSorted((one, other) => Number(one) - Number(other)));
    expect(mayCall('admin', name)).toBe(true);
  }
});

test('a refusal names the role that is missing', () => {
  expect(refusalOf('viewer', 'abortRollout')).toContain('operator');
  expect(refusalOf('operator', 'createToken')).toContain('admin');
  expect(refusalOf('operator', 'abortRollout')).toBeNull();
});
