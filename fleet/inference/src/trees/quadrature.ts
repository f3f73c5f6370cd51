/** Points and weights by which the integral from 0 to 1 of any polynomial below degree 2n is a sum of n terms. */
export interface Quadrature {
  readonly points: Float64Array;
  readonly weights: Float64Array;
}

/** Gauss and Legendre's, by Newton's method from where the roots nearly are. */
export function quadrature(count: number): Quadrature {
  const points = new Float64Array(count);
  const weights = new Float64Array(count);
  for (let index = 0; index < count; index += 1) {
    let x = Math.cos((Math.PI * (index + 0.75)) / (count + 0.5));
    let slope = 1;
    for (let round = 0; round < 100; round += 1) {
      let [value, before] = [1, 0];
      for (let degree = 1; degree <= count; degree += 1) [value, before] = [((2 * degree - 1) * x * value - (degree - 1) * before) / degree, value];
      slope = (count * (x * value - before)) / (x * x - 1);
      const step = value / slope;
      x -= step;
      if (Math.abs(step) < 1e-16) break;
    }
    points[index] = (1 - x) / 2;
    weights[index] = 1 / ((1 - x * x) * slope * slope);
  }
  return { points, weights };
}
