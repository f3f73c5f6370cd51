/** One field of the pipeline file: where, what it may be, and what it is when left out. */
export interface FieldRow {
  readonly path: string;
  readonly what: string;
  readonly usual: string;
}

interface Node {
  type?: string;
  properties?: Record<string, Node>;
  required?: string[];
  items?: Node;
  additionalProperties?: Node | boolean;
  propertyNames?: { enum?: string[] };
  anyOf?: Node[];
  oneOf?: Node[];
  enum?: unknown[];
  const?: unknown;
  minimum?: number;
  maximum?: number;
  default?: unknown;
}

/** The schema as rows of a table, a field each. */
export function fieldRows(schema: Node, path = '', needed = false): FieldRow[] {
  const usual = schema.default === undefined ? (needed ? 'needed' : '-') : `\`${JSON.stringify(schema.default)}\``;
  const own = (what: string): FieldRow[] =>
    path === '' ? [] : [{ path, what, usual: typeof schema.default === 'object' && !Array.isArray(schema.default) ? '-' : usual }];
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const branches = schema.oneOf ?? schema.anyOf;
  if (branches !== undefined) {
    if (branches.every(({ properties }) => properties === undefined)) return own(branches.map(whatOf).join(' or '));
    const rows = branches.flatMap((branch) => fieldRows(branch, kindOf(branch) === undefined ? path : `${path}{${kindOf(branch)}}`, needed));
    return rows.filter((row, place) => rows.findIndex((other) => other.path === row.path) === place);
  }
  if (schema.properties !== undefined) {
    return Object.entries(schema.properties)
      .filter(([, node]) => node.const === undefined || path === '')
      .flatMap(([name, node]) => fieldRows(node, below(name), schema.required?.includes(name) === true));
  }
  if (schema.items?.properties !== undefined || schema.items?.oneOf !== undefined) return own('list of trainers');
  if (typeof schema.additionalProperties === 'object') return fieldRows(schema.additionalProperties, below('*'));
  return own(whatOf(schema));
}

const kindOf = ({ properties }: Node): string | undefined => {
  const kind = properties?.['kind']?.const;
  return typeof kind === 'string' ? kind : undefined;
};

function whatOf({ type, enum: names, const: only, minimum, maximum, items }: Node): string {
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (names !== undefined)
    return names.length > 8 ? 'a metric' : names.map((name) => `\`${String(name).replace('\t', 'tab').replace('|', '\\|')}\``).join(', ');
  if (type === 'array') return items?.type === 'string' ? 'list of texts' : 'list';
  if (type === 'boolean') return '`true`, `false`';
  if (type === 'string') return 'text';
  const kind = type === 'integer' ? 'whole' : 'number';
  const bounded = minimum !== undefined && maximum !== undefined && Math.abs(maximum) < 2 ** 53 - 1;
  return bounded ? `${kind}, ${minimum} to ${maximum}` : kind;
}
