/** What the data says goes into columns of JSON, which take neither NUL nor half of a pair of surrogates. */
const refused = /\0|\p{Surrogate}/gu;

export function storable<Value>(value: Value): Value {
  if (typeof value === 'string') return value.replace(refused, '\uFFFD') as Value;
  if (Array.isArray(value)) return value.map(storable) as Value;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key.replace(refused, '\uFFFD'), storable(part as unknown)])) as Value;
}
