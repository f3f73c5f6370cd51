import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { deviceId, transferId, type DeviceId } from './ids.ts';
import { arbitraryOf } from './testing/schema-arbitrary.ts';
import {
  chunkTopic,
  clientIds,
  controlFilters,
  down,
  filterCovers,
  grantsFor,
  parseUp,
  senderOf,
  serverFilters,
  serverStatus,
  transferFilters,
  up,
  type DownKind,
  type UpKind,
} from './topics.ts';

const upKinds: UpKind[] = ['status', 'reported', 'tel', 'smp', 'get'];
const downKinds: DownKind[] = ['desired', 'ack', 'cmd'];
const device = arbitraryOf(deviceId);
const transfer = arbitraryOf(transferId);

const may = (principal: Parameters<typeof grantsFor>[0], action: 'publish' | 'subscribe', topic: string) =>
  grantsFor(principal).some((grant) => grant.action === action && filterCovers(grant.filter, topic));

/** The clauses of MQTT 3.1.1, 4.7, written as a pattern instead of a walk. */
function matchesByPattern(filter: string, topic: string): boolean {
  const escape = (text: string) => text.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&');
  const levels = filter.split('/').map((level) => (level === '+' ? '[^/]*' : level === '#' ? '#' : escape(level)));
  let pattern = levels.join('/');
  if (pattern === '#') pattern = '.*';
  else if (pattern.endsWith('/#')) pattern = `${pattern.slice(0, -2)}(/.*)?`;
  return new RegExp(`^${pattern}$`, 's').test(topic);
}

const level = fc.constantFrom('a', 'b', 'ab', '', '$', 'a.b');
const topicText = fc.array(level, { minLength: 1, maxLength: 5 }).map((levels) => levels.join('/'));
const filterText = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 0, maxLength: 4 }), fc.boolean())
  .filter(([levels, hash]) => levels.length > 0 || hash)
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/'));

describe('filter matching', () => {
  test('agrees with the pattern of the standard', () => {
    fc.assert(
      fc.property(filterText, topicText, (filter, topic) => {
        expect(filterCovers(filter, topic), `${filter} on ${topic}`).toBe(matchesByPattern(filter, topic));
      }),
      { numRuns: 2000 },
    );
  });

  test('a filter that is covered matches nothing the covering one does not', () => {
    fc.assert(
      fc.property(filterText, filterText, topicText, (outer, inner, topic) => {
        if (filterCovers(outer, inner) && filterCovers(inner, topic)) expect(filterCovers(outer, topic), `${outer} over ${inner} on ${topic}`).toBe(true);
      }),
      { numRuns: 5000 },
    );
  });
});

describe('what a device may do', () => {
  test('all it needs, on its own topics', () => {
    fc.assert(
      fc.property(device, transfer, (id, xfer) => {
        const self = { role: 'device', id } as const;
        for (const kind of upKinds) expect(may(self, 'publish', up(id, kind))).toBe(true);
        for (const filter of [...controlFilters(id), ...transferFilters(id)]) expect(may(self, 'subscribe', filter)).toBe(true);
        expect(filterCovers(transferFilters(id)[0] ?? '', chunkTopic(id, xfer))).toBe(true);
      }),
    );
  });

  test('nothing on the topics of another device, and nothing the server says', () => {
    fc.assert(
      fc.property(device, device, transfer, (id, other, xfer) => {
        fc.pre(id !== other);
        const self = { role: 'device', id } as const;
        const foreign = [...upKinds.map((kind) => up(other, kind)), ...downKinds.map((kind) => down(other, kind)), chunkTopic(other, xfer)];
        for (const topic of foreign) {
          expect(may(self, 'publish', topic), topic).toBe(false);
          expect(may(self, 'subscribe', topic), topic).toBe(false);
        }
        for (const topic of [serverStatus, ...downKinds.map((kind) => down(id, kind)), chunkTopic(id, xfer)])
          expect(may(self, 'publish', topic), topic).toBe(false);
      }),
    );
  });

  test.each([
    '#',
    '+',
    '$SYS/#',
    'serin/#',
    'serin/1/#',
    'serin/1/d/#',
    'serin/1/d/+/c/#',
    'serin/1/d/+/u/+',
    'serin/1/d/cam-1/#',
    'serin/1/d/cam-1/+/desired',
    'serin/1/+/cam-1/c/desired',
    'serin/1/srv/+',
  ])('it may not subscribe to %s', (filter) => {
    expect(may({ role: 'device', id: deviceId.parse('cam-1') }, 'subscribe', filter)).toBe(false);
  });

  test('whatever it may publish is its own and of a known shape, or nobody reads it', () => {
    fc.assert(
      fc.property(device, fc.array(fc.constantFrom('serin', '1', '2', 'd', 'u', 'c', 'tel', 'cam-1', 'x', ''), { maxLength: 7 }), (id, levels) => {
        const topic = levels.map((part) => (part === 'x' ? id : part)).join('/');
        const parsed = parseUp(topic);
        if (may({ role: 'device', id }, 'publish', topic) && parsed !== undefined) expect(parsed.device).toBe(id);
        if (parsed?.device === id) expect(may({ role: 'device', id }, 'publish', topic)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('topics', () => {
  test('what is built is parsed to the same, and the server hears it', () => {
    fc.assert(
      fc.property(device, fc.constantFrom(...upKinds), (id, kind) => {
        expect(parseUp(up(id, kind))).toEqual({ device: id, kind });
        expect([up(id, kind), `${up(id, kind)}-of-nobody`].map(senderOf)).toEqual([id, id]);
        expect([down(id, 'cmd'), serverStatus, 'x'].map(senderOf)).toEqual([undefined, undefined, undefined]);
        expect(serverFilters.some((filter) => filterCovers(filter, up(id, kind)))).toBe(true);
      }),
    );
  });

  test('any text is parsed or not, and what is parsed is built to the same', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), topicText), (text) => {
        const parsed = parseUp(text);
        if (parsed !== undefined) expect(up(parsed.device, parsed.kind)).toBe(text);
      }),
    );
  });

  test('have at most eight plain levels', () => {
    const id = deviceId.parse('x'.repeat(63));
    for (const topic of [
      ...upKinds.map((kind) => up(id, kind)),
      ...downKinds.map((kind) => down(id, kind)),
      chunkTopic(id, transferId.parse('x')),
      serverStatus,
    ]) {
      expect(topic.split('/').length).toBeLessThanOrEqual(8);
      expect(topic).toMatch(/^[A-Za-z0-9_/-]+$/);
    }
  });

  test('no two of the filters a connection holds overlap', () => {
    const id: DeviceId = deviceId.parse('cam-1');
    for (const filters of [controlFilters(id), transferFilters(id), [...serverFilters]]) {
      for (const left of filters) for (const right of filters) if (left !== right) expect(filterCovers(left, right)).toBe(false);
    }
  });

  test('the two client ids of a device differ', () => {
    const { control, transfer: second } = clientIds(deviceId.parse('cam-1'));
    expect(second).not.toBe(control);
  });
});
