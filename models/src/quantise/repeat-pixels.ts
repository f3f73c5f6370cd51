import type { GraphBuilder } from '../onnx/builder.ts';
import { int, ints, longs } from '../onnx/graph.ts';

/**
 * Every pixel several times, on bytes, with the channels last as 8-bit kernels have them: there a pixel is one piece of
 * memory and a row is another, which copying does in a fraction of the time of a Resize. Returns the name of [N, C, rows x H,
 * columns x W]; how large pictures are may be known only at run time, so 0 and -1 stand for what stays and what follows.
 */
export function repeatPixels(builder: GraphBuilder, value: string, channels: number, { rows, columns }: { rows: number; columns: number }): string {
  const shaped = (name: string, dims: number[]): string => builder.add('Reshape', [name, builder.constant(longs(dims), builder.fresh('shape'))]);
  const times = (name: string, count: number, axis: number): string =>
    builder.add(
      'Concat',
      Array.from({ length: count }, () => name),
      { axis: int(axis) },
    );
  const last = builder.add('Transpose', [value], { perm: ints([0, 2, 3, 1]) });
  const wide = shaped(times(last, columns, 3), [0, 0, 1, -1]);
  const high = shaped(times(wide, rows, 2), [0, -1, 1, 0]);
  return builder.add('Transpose', [shaped(high, [0, 0, -1, channels])], { perm: ints([0, 3, 1, 2]) });
}
