import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createFlowGraph } from './min-cut.ts';

test('the cut is the cheapest of all, found by trying them', () => {
  const edges = fc.array(fc.tuple(fc.nat(6), fc.nat(6), fc.integer({ min: 1, max: 20 })), { maxLength: 18 });
  fc.assert(
    fc.property(edges, (list) => {
      const flow = createFlowGraph();
      for (let count = 0; count < 5; count += 1) flow.node();
      for (const [from, to, capacity] of list) if (from !== to) flow.edge(from, to, capacity);
      const price = (side: (node: number) => boolean): number => list.reduce((sum, [from, to, capacity]) => sum + (side(from) && !side(to) ? capacity : 0), 0);
      let cheapest = Infinity;
      for (let mask = 0; mask < 32; mask += 1) {
        cheapest = Math.min(
          cheapest,
          price((node) => node === flow.source || (node !== flow.sink && ((mask >> (node - 2)) & 1) === 1)),
        );
      }
      const cut = flow.cut();
      expect(cut[flow.source]).toBe(1);
      expect(cut[flow.sink]).toBe(0);
      expect(price((node) => cut[node] === 1)).toBe(cheapest);
    }),
  );
});

test('what may never be cut stays together', () => {
  const flow = createFlowGraph();
  const [left, right] = [flow.node(), flow.node()];
  flow.edge(flow.source, left, 3);
  flow.edge(left, right, Infinity);
  flow.edge(right, flow.sink, 2);
  const cut = flow.cut();
  expect([cut[left], cut[right]]).toEqual([1, 1]);
});
