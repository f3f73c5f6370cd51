/** A directed graph whose edges have capacities; nodes are numbers from 0. */
export interface FlowGraph {
  node(): number;
  /** What it costs to have `from` on the source's side and `to` on the sink's. */
  edge(from: number, to: number, capacity: number): void;
  /** The nodes on the source's side of the cheapest cut: as few of them as there can be. */
  cut(): Uint8Array;
  readonly source: number;
  readonly sink: number;
}

/** Sums of capacities carry rounding errors. */
const relativeSlack = 1e-9;

/** Dinic's algorithm: levels by breadth, then augmenting paths along them, without recursion. */
export function createFlowGraph(): FlowGraph {
  const first: number[] = [];
  const next: number[] = [];
  const target: number[] = [];
  const capacity: number[] = [];
  let largest = 0;

  const node = (): number => first.push(-1) - 1;
  const half = (from: number, to: number, value: number): void => {
    next.push(first[from] as number);
    first[from] = target.length;
    target.push(to);
    capacity.push(value);
  };
  const [source, sink] = [node(), node()];

  /** Distance from the source over edges that still have room. */
  const levels = (slack: number): Int32Array => {
    const level = new Int32Array(first.length).fill(-1);
    level[source] = 0;
    const queue = [source];
    for (const from of queue) {
      for (let edge = first[from] as number; edge >= 0; edge = next[edge] as number) {
        const to = target[edge] as number;
        if ((capacity[edge] as number) <= slack || level[to] !== -1) continue;
        level[to] = (level[from] as number) + 1;
        queue.push(to);
      }
    }
    return level;
  };

  const augment = (level: Int32Array, slack: number): void => {
    const at = first.slice();
    const path: number[] = [];
    for (let place = source; ;) {
      if (place === sink) {
        let room = Infinity;
        for (const edge of path) room = Math.min(room, capacity[edge] as number);
        for (const edge of path) {
          capacity[edge] = (capacity[edge] as number) - room;
          capacity[edge ^ 1] = (capacity[edge ^ 1] as number) + room;
        }
        path.length = 0;
        place = source;
        continue;
      }
      let edge = at[place] as number;
      while (edge >= 0 && ((capacity[edge] as number) <= slack || level[target[edge] as number] !== (level[place] as number) + 1)) edge = next[edge] as number;
      at[place] = edge;
      if (edge >= 0) {
        path.push(edge);
        place = target[edge] as number;
        continue;
      }
      // A dead end: nobody need come here again.
      level[place] = -2;
      const back = path.pop();
      if (back === undefined) return;
      place = target[back ^ 1] as number;
    }
  };

  return {
    source,
    sink,
    node,
    edge: (from, to, value) => {
      if (value <= 0) return;
      if (Number.isFinite(value)) largest = Math.max(largest, value);
      half(from, to, value);
      half(to, from, 0);
    },
    cut: () => {
      const slack = largest * relativeSlack;
      for (;;) {
        const level = levels(slack);
        if (level[sink] === -1) return Uint8Array.from(level, (each) => (each >= 0 ? 1 : 0));
        augment(level, slack);
      }
    },
  };
}
