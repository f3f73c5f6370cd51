import type { TreePoint } from './tree-options.ts';

/** By the validation set where there is one; without one the latest is the best. A loss that is not a number is never better. */
export function isBetter(point: TreePoint, than: TreePoint | undefined): boolean {
  if (than === undefined || point.validation === undefined || than.validation === undefined) return true;
  return point.validation < than.validation || (Number.isNaN(than.validation) && !Number.isNaN(point.validation));
}
