import type { ModelVersion } from '@serin/protocol/api/resources';

export type MetricKind = 'quality' | 'latency' | 'size';

export interface MetricPair {
  kind: MetricKind;
  label: string;
  /** Before quantisation and after; either may be missing. */
  float: number | null;
  int8: number | null;
  /** How to print it. */
  unit: 'share' | 'ms' | 'bytes';
}

const isFloat = (name: string): boolean => /fp32|float/i.test(name);
const isInt8 = (name: string): boolean => /int8|u8s8|quant/i.test(name);

/** Figures about other things: the version it was compared with, and how far apart two figures are. */
const aside = /champion|challenger|baseline|drop|delta|difference|gap/i;

function find(metrics: Readonly<Record<string, number>>, wanted: RegExp, which: (name: string) => boolean): number | null {
  for (const [name, value] of Object.entries(metrics)) if (wanted.test(name) && !aside.test(name) && which(name)) return value;
  return null;
}

/** Whether a metric says something about the version alone, so that two versions can be compared by it. */
export const isComparable = (name: string): boolean => !aside.test(name) && !/^heldOut|count/i.test(name);

const isPlain = (name: string): boolean => !isFloat(name) && !isInt8(name);

/** The three figures that quantisation is judged by. A plain name speaks of what devices run. */
export function quantisationPairs({ metrics, variants }: Pick<ModelVersion, 'metrics' | 'variants'>): MetricPair[] {
  const pair = (wanted: RegExp): Pick<MetricPair, 'float' | 'int8'> => ({
    float: find(metrics, wanted, isFloat),
    int8: find(metrics, wanted, isInt8) ?? find(metrics, wanted, isPlain),
  });
  const size = (which: (name: string) => boolean): number | null => variants.find(({ name }) => which(name))?.bytes ?? null;
  const accuracy = pair(/acc/i);
  // A detector is judged by its average precision over all parts.
  const isDetector = accuracy.float === null && accuracy.int8 === null;
  const quality = isDetector ? { label: 'mAP50', ...pair(/^map50/) } : { label: 'Accuracy', ...accuracy };
  const pairs: MetricPair[] = [
    { kind: 'quality', ...quality, unit: 'share' },
    { kind: 'latency', label: 'Latency', unit: 'ms', ...pair(/latency|ms$/i) },
    { kind: 'size', label: 'Size', unit: 'bytes', float: size(isFloat), int8: size(isInt8) },
  ];
  return pairs.filter(({ float, int8 }) => float !== null || int8 !== null);
}

/** How good what devices run is, by its task's measure: the quantised figure where there is one. */
export function servedQuality(version: Pick<ModelVersion, 'metrics' | 'variants'>): number | null {
  const pair = quantisationPairs(version).find(({ kind }) => kind === 'quality');
  return pair?.int8 ?? pair?.float ?? null;
}
