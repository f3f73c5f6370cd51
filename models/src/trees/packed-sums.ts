/**
 * A gradient and a second derivative in one number: whole numbers both, the gradient times `packing` plus the other. A sum
 * of such numbers is exact whatever the order, so any number of threads finds the same histograms, and one addition adds both.
 */
export const packing = 2 ** 26;
export const unpacking = 2 ** -26;

export const gradientOf = (sum: number): number => Math.floor(sum * unpacking);
export const hessianOf = (sum: number): number => sum - Math.floor(sum * unpacking) * packing;

/** What turns gradients and second derivatives into whole numbers. */
export interface Scales {
  readonly gradient: number;
  readonly hessian: number;
  /** No row has a larger second derivative, as a whole number. */
  readonly rowHessianMax: number;
}

/** As fine as sums over all rows allow: neither reaches `packing`, even if every row is rounded up. */
export function scalesFor(rows: number, gradients: number, hessians: number, hessianMax: number, hessianMin: number): Scales {
  const room = packing - rows - 1;
  const gradient = gradients > 0 ? room / gradients : 0;
  let hessian = hessians > 0 ? room / hessians : 0;
  // Where every row has the same, sums of it count rows exactly.
  if (hessianMax === hessianMin) hessian = Math.floor(hessian * hessianMax) / hessianMax;
  return { gradient, hessian, rowHessianMax: hessianMax === hessianMin ? Math.round(hessian * hessianMax) : Math.floor(hessian * hessianMax) + 1 };
}

/** Rounds up or down by the row, evenly over rows: sums keep what single numbers lose. */
export function packRows(gradients: Float32Array, hessians: Float32Array, scales: Scales, packed: Float64Array, from: number, to: number): void {
  const { gradient, hessian } = scales;
  for (let row = from; row < to; row += 1) {
    const share = (Math.imul(row, 0x9e3779b1) >>> 0) * 2 ** -32;
    // The least bit more, or whole numbers that were a hair below would be rounded down.
    const h = Math.floor((hessians[row] as number) * hessian + share * 0.999 + 0.0005);
    packed[row] = Math.floor((gradients[row] as number) * gradient + share) * packing + h;
  }
}
