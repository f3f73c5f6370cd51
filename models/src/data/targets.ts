import type { Tensor } from '../onnx/graph.ts';
import type { Marked } from './dataset.ts';

/** What is known of a frame beside its pixels, in its own coordinates. */
export interface Truth {
  /** Index into the labels; -1 where objects carry them. */
  readonly label: number;
  readonly objects: readonly Marked[];
}

/** The targets of a loss from what a batch of frames shows. */
export type Encode = (truths: readonly Truth[]) => Record<string, Tensor>;

/** One-hot rows, as cross-entropy wants them. */
export const classTargets =
  (classes: number, name = 'targets'): Encode =>
  (truths) => {
    const data = new Float32Array(truths.length * classes);
    truths.forEach(({ label }, place) => {
      if (!Number.isInteger(label) || label < 0 || label >= classes) throw new RangeError(`label ${label} of ${classes} classes`);
      data[place * classes + label] = 1;
    });
    return { [name]: { type: 'float32', dims: [truths.length, classes], data } };
  };

/** Numbers in a row: label, x, y, width, height, angle, and 1 where there is an object. */
export const objectFields = 7;

/** `rows` objects a frame, in the order they are listed; those beyond are left out. */
export const objectTargets =
  (rows: number, name = 'objects'): Encode =>
  (truths) => {
    const data = new Float32Array(truths.length * rows * objectFields);
    truths.forEach(({ objects }, place) => {
      objects.slice(0, rows).forEach(({ label, x, y, width = 0, height = 0, angle = 0 }, row) => {
        data.set([label, x, y, width, height, angle, 1], (place * rows + row) * objectFields);
      });
    });
    return { [name]: { type: 'float32', dims: [truths.length, rows, objectFields], data } };
  };
