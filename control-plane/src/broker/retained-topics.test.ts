import fc from 'fast-check';
import { expect, test } from 'vitest';
import { filterCovers } from '@serin/protocol/topics';
import { createRetainedTopics, type Retained } from './retained-topics.ts';

const level = fc.constantFrom('a', 'b', 'c', '');
const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
const filter = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '+'), { maxLength: 3 }), fc.constantFrom('a', '+', '#'))
  .map(([levels, last]) => [...levels, last].join('/'));
const roomy = { topicsPerOwnerMax: 1_000, bytesMax: 1_000_000 };
const retained = (at: string, text: string, owner = 'o'): Retained => ({ topic: at, owner, payload: new TextEncoder().encode(text) });

test('finds exactly what comparing every topic with the filter would', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(topic, fc.constantFrom('', 'x', 'y'))), filter, (writes, wanted) => {
      const topics = createRetainedTopics<Retained>(roomy, () => false);
      const plain = new Map<string, string>();
      for (const [at, text] of writes) {
        topics.store(retained(at, text));
        if (text === '') plain.delete(at);
        else plain.set(at, text);
      }
      const found = [...topics.matches(wanted)].map((packet) => packet.topic).sort();
      expect(found).toEqual([...plain.keys()].filter((at) => filterCovers(wanted, at)).sort());
      expect(topics.size).toBe(plain.size);
    }),
  );
});

test('a quota holds for each publisher and for all bytes, and removing gives it back', () => {
  const topics = createRetainedTopics<Retained>({ topicsPerOwnerMax: 2, bytesMax: 30 }, (owner) => owner === 'free');
  expect([topics.store(retained('a', '1')), topics.store(retained('b', '1')), topics.store(retained('c', '1'))]).toEqual([true, true, false]);
  expect(topics.store(retained('c', '1', 'free'))).toBe(true);
  expect(topics.store(retained('a', 'another'))).toBe(true);
  expect(topics.store(retained('b', ''))).toBe(true);
  expect(topics.store(retained('d', '1'))).toBe(true);
  expect(topics.store(retained('e', 'x'.repeat(30), 'free'))).toBe(false);
});

test('a topic that begins with $ is not found by a leading wildcard', () => {
  const topics = createRetainedTopics<Retained>(roomy, () => false);
  topics.store(retained('$a/b', 'x'));
  expect([...topics.matches('#'), ...topics.matches('+/b')]).toEqual([]);
  expect([...topics.matches('$a/+')]).toHaveLength(1);
});

test('fault 4: the 8,000 retained topics of others are not looked at', () => {
  const topics = createRetainedTopics<Retained>({ topicsPerOwnerMax: 100_000, bytesMax: 100_000_000 }, () => false);
  let looks = 0;
  for (let device = 0; device < 8_000; device++) {
    const packet = retained(`serin/1/d/d${device}/c/desired`, 'x');
    topics.store(packet);
    const { topic: at } = packet;
    Object.defineProperty(packet, 'topic', {
      get: () => {
        looks++;
        return at;
      },
    });
  }
  expect([...topics.matches('serin/1/d/d4711/c/desired')]).toHaveLength(1);
  expect([...topics.matches('serin/1/d/d4711/c/+')]).toHaveLength(1);
  expect(looks).toBeLessThan(10);
});
