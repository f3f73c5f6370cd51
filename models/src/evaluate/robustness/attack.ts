import type { Tensor } from '../../onnx/graph.ts';
import { throwIfCancelled } from '../../train/cancellation.ts';
import { openInputGradient, type InputGradientOptions } from './input-gradient.ts';
import { severities, type Perturbation } from './perturbation.ts';
import { countPictures, frameBytesOf, type Pictures } from './pictures.ts';

export interface AttackOptions extends Omit<InputGradientOptions, 'shape'> {
  /** What the loss asks for beside the pictures, of the pictures at these places. */
  readonly targets: (places: readonly number[]) => Readonly<Record<string, Tensor>>;
}

/** Grey levels; 0 at severity 0. */
const epsilons = [0, 1, 2, 4] as const;

/** Every grey level moved by so much in the direction of its slope, and kept a grey level. */
export function moveAlong(pixels: Uint8Array, signs: Int8Array, epsilon: number): Uint8Array {
  return Uint8Array.from(pixels, (value, at) => Math.min(255, Math.max(0, Math.round(value + epsilon * (signs[at] as number)))));
}

/**
 * The fast gradient sign method (Goodfellow, Shlens and Szegedy 2014): the worst small change to first order. The slopes are those
 * of the model given; a variant of it that is judged by them shows how the attack carries over.
 */
export function attackPerturbations(options: AttackOptions): Perturbation<Pictures>[] {
  let known: { readonly pictures: Pictures; readonly signs: Promise<Int8Array> } | undefined;
  return severities.map((severity) => ({
    kind: 'fgsm',
    severity,
    words: `every pixel moved by ${epsilons[severity]} grey level${epsilons[severity] === 1 ? '' : 's'} where it hurts most`,
    apply: async (pictures, { signal }) => {
      // One pass for all severities.
      if (known?.pictures !== pictures) known = { pictures, signs: slopeSigns(pictures, options, signal) };
      return { shape: pictures.shape, pixels: moveAlong(pictures.pixels, await known.signs, epsilons[severity]) };
    },
  }));
}

async function slopeSigns(pictures: Pictures, { targets, ...options }: AttackOptions, signal: AbortSignal | undefined): Promise<Int8Array> {
  const { shape, pixels } = pictures;
  const count = countPictures(pictures);
  const size = frameBytesOf(shape);
  const gradient = await openInputGradient({ ...options, shape });
  try {
    const signs = new Int8Array(pixels.length);
    for (let from = 0; from < count; from += gradient.batch) {
      throwIfCancelled(signal);
      // The last batch is filled up with its last picture, which changes no other one's slope but in length.
      const places = Array.from({ length: gradient.batch }, (_, place) => Math.min(count - 1, from + place));
      const batch = new Uint8Array(gradient.batch * size);
      places.forEach((place, index) => batch.set(pixels.subarray(place * size, (place + 1) * size), index * size));
      const { slopes } = await gradient.run(batch, targets(places));
      const end = Math.min(signs.length, (from + gradient.batch) * size);
      for (let at = from * size; at < end; at += 1) signs[at] = Math.sign(slopes[at - from * size] as number);
    }
    return signs;
  } finally {
    await gradient.close();
  }
}
