import type { ParameterValue } from '@serin/protocol/api/runs';

/** Plain text of anything JSON, its keys sorted: equal settings give equal text. */
export function stableText(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).toSorted(([one], [other]) => (one < other ? -1 : 1)))
      : item,
  );
}

/** Flat, as a run's record has them: `train.trees`, `evaluate.costs.yes.no`. */
export function flatParameters(value: unknown, prefix = ''): Record<string, ParameterValue> {
  if (typeof value !== 'object' || value === null) return { [prefix]: value as ParameterValue };
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return { [prefix]: value.join(', ') };
  return Object.assign({}, ...Object.entries(value).map(([name, item]) => flatParameters(item, prefix === '' ? name : `${prefix}.${name}`))) as Record<
    string,
    ParameterValue
  >;
}
