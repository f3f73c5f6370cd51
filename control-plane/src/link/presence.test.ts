import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bootId } from '@serin/protocol/ids';
import type { Status } from '@serin/protocol/messages/status';
import { applyStatus, type Presence } from './presence.ts';

const status = (online: boolean, boot: string, conn: number, ts: number): Status => ({ v: 1, online, boot: bootId.parse(boot), conn, ts });
const unknown: Presence = { online: false, boot: null, conn: 0, ts: null };
const fold = (statuses: readonly Status[]): Presence => statuses.reduce((known, next) => applyStatus(known, next) ?? known, unknown);

test('the late will of an earlier connection or of an earlier boot changes nothing', () => {
  expect(fold([status(true, 'a', 1, 10), status(true, 'a', 2, 20), status(false, 'a', 1, 10)]).online).toBe(true);
  expect(fold([status(true, 'a', 1, 10), status(true, 'b', 1, 20), status(false, 'a', 1, 10)]).online).toBe(true);
});

test('the will of the present connection counts, also of a boot the server has not seen begin', () => {
  expect(fold([status(true, 'a', 2, 20), status(false, 'a', 2, 20)]).online).toBe(false);
  expect(fold([status(true, 'a', 1, 10), status(false, 'b', 1, 20)]).online).toBe(false);
});

test('a birth that is delivered again after the will does not raise the dead', () => {
  expect(fold([status(true, 'a', 1, 10), status(false, 'a', 1, 10), status(true, 'a', 1, 10)]).online).toBe(false);
});

test('after a restart of the server the retained status is believed', () => {
  const remembered: Presence = { online: false, boot: 'a', conn: 3, ts: null };
  expect(applyStatus(remembered, status(true, 'a', 3, 10))?.online).toBe(true);
  expect(applyStatus(remembered, status(false, 'b', 1, 5))?.boot).toBe('b');
});

test('whatever the order of wills and births of older connections, the newest connection decides', () => {
  const connection = fc.record({ boot: fc.constantFrom('a', 'b', 'c'), conn: fc.integer({ min: 1, max: 3 }) });
  fc.assert(
    fc.property(
      fc.uniqueArray(connection, { minLength: 1, maxLength: 9, selector: ({ boot, conn }) => `${boot}${conn}` }),
      fc.boolean(),
      fc.nat(),
      (some, ended, pick) => {
        const ordered = some.sort((left, right) => left.boot.localeCompare(right.boot) || left.conn - right.conn);
        const stamp = ({ boot, conn }: { boot: string; conn: number }): number => boot.charCodeAt(0) * 10 + conn;
        const newest = ordered.at(-1)!;
        const births = ordered.map((each) => status(true, each.boot, each.conn, stamp(each)));
        const stale = ordered.slice(0, -1).map((each) => status(false, each.boot, each.conn, stamp(each)));
        const late = stale[pick % Math.max(stale.length, 1)];
        const last = ended ? [status(false, newest.boot, newest.conn, stamp(newest))] : [];
        expect(fold([...births, ...(late === undefined ? [] : [late]), ...last, ...stale]).online).toBe(!ended);
      },
    ),
  );
});
