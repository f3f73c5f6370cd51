import { numberAttribute, textAttribute } from '../graph.ts';
import { at, mismatch, shapeText, unsupported, type ShapeRule } from './rule.ts';

/** How many parts the kernels have: a gate each, and the candidate for the new state. */
const recurrent =
  (gates: number, states: number): ShapeRule =>
  ({ node, input }) => {
    const [x, w, r] = [input(0), input(1), input(2)];
    if (numberAttribute(node, 'layout', 0) !== 0) throw unsupported(node, 'layout 1', 'Export it with the steps first');
    const size = at(r.dims, 2);
    const hidden = numberAttribute(node, 'hidden_size', size);
    const directions = textAttribute(node, 'direction', 'forward') === 'bidirectional' ? 2 : 1;
    if (
      x.dims.length !== 3 ||
      w.dims.join() !== [directions, gates * hidden, at(x.dims, 2)].join() ||
      r.dims.join() !== [directions, gates * hidden, hidden].join()
    ) {
      throw mismatch(node, `expected weights of ${gates * hidden} rows for ${shapeText(x.dims)}, found ${shapeText(w.dims)} and ${shapeText(r.dims)}`);
    }
    const [steps, batch] = [at(x.dims, 0), at(x.dims, 1)];
    const last = { type: x.type, dims: [directions, batch, hidden] };
    return [{ type: x.type, dims: [steps, directions, batch, hidden] }, ...Array.from({ length: states }, () => last)];
  };

export const recurrentShapes: Readonly<Record<string, ShapeRule>> = {
  RNN: recurrent(1, 1),
  GRU: recurrent(3, 1),
  LSTM: recurrent(4, 2),
};
