import fc from 'fast-check';
import { expect, test } from 'vitest';

import { createGraphBuilder } from '../onnx/builder.ts';
import { createModel, floats, type Tensor } from '../onnx/graph.ts';
import { runModel } from '../onnx/session.ts';
import { repeatsOf } from './operators.ts';
import { repeatPixels } from './repeat-pixels.ts';

const text = (value: string) => ({ kind: 'string', value }) as const;

test('pixels are put where a Resize puts them, whatever the size of the picture', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({ rows: fc.integer({ min: 1, max: 4 }), columns: fc.integer({ min: 1, max: 4 }) }),
      fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      fc.constantFrom(['asymmetric', 'floor'], ['half_pixel', 'round_prefer_floor'], ['half_pixel', 'round_prefer_ceil']),
      async (times, dims, [places = '', rounding = '']) => {
        const b = createGraphBuilder('net');
        const x = b.input('x', 'uint8', ['N', dims[1], 'H', 'W']);
        const scales = b.constant(floats([4], [1, 1, times.rows, times.columns]));
        const attributes = { mode: text('nearest'), coordinate_transformation_mode: text(places), nearest_mode: text(rounding) };
        b.add('Resize', [x, '', scales], attributes, ['wanted']);
        b.add('Identity', [repeatPixels(b, x, dims[1], times)], {}, ['found']);
        for (const name of ['wanted', 'found']) b.output(name, 'uint8', ['N', dims[1], 'P', 'Q']);
        const model = createModel(b.finish());
        const [resize] = model.graph.nodes;
        const facts = { type: () => undefined, constant: (name: string) => model.graph.initialisers.get(name) };
        expect(resize === undefined ? undefined : repeatsOf(resize, facts)).toEqual(times);
        const count = dims.reduce((product, dim) => product * dim, 1);
        const picture: Tensor = { type: 'uint8', dims, data: Uint8Array.from({ length: count }, (_, index) => index % 251) };
        const outputs = await runModel(model, new Map([['x', picture]]));
        expect(outputs.get('found')).toEqual(outputs.get('wanted'));
      },
    ),
    { numRuns: 40 },
  );
});
