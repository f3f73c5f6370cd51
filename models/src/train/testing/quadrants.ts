import type { BatchSource } from '../../data/batch-source.ts';
import { floats } from '../../onnx/graph.ts';

/** Points of the plane, in two classes: made up here, where a source of yours would read pictures. */
export function createSource(settings: unknown): BatchSource {
  const { examples } = settings as { examples: number };
  return {
    examples,
    fill: (indices, random) => {
      const x = new Float32Array(indices.length * 2);
      const targets = new Float32Array(indices.length * 2);
      indices.forEach((example, place) => {
        const [a, b] = [Math.cos(example), Math.sin(7 * example)];
        x.set([a + 0.01 * random.normal(), b + 0.01 * random.normal()], place * 2);
        targets[place * 2 + (a * b > 0 ? 1 : 0)] = 1;
      });
      return { feeds: { x: floats([indices.length, 2], x) }, targets: { targets: floats([indices.length, 2], targets) } };
    },
  };
}
