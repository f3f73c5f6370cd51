const utf8 = new TextEncoder();

/** Bytes that have broken decoders before: heads that promise much, deep nesting, odd numbers, names with a meaning. */
const hostile: Uint8Array[] = [
  [0x9a, 0xff, 0xff, 0xff, 0xff],
  [0x9b, 0, 0, 0, 1, 0, 0, 0, 0],
  [0xba, 0x00, 0xf0, 0x00, 0x00],
  [0x5a, 0x7f, 0xff, 0xff, 0xff],
  [0x7b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x9f],
  [0xbf],
  [0xff],
  [0xc1],
  [0xc2, 0x58, 0xff],
  [0xd8, 0x1b],
  [0xd8, 0x1c],
  [0xd9, 0xdf, 0xff],
  [0xd9, 0x01, 0x02],
  [0xf9, 0x7e, 0x00],
  [0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
  [0xf7],
].map((bytes) => Uint8Array.from(bytes));
const words = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  '1e999',
  '-0',
  'null',
  'true',
  '""',
  '{}',
  '[]',
  '[[[[',
  '{"__proto__":{"polluted":1}}',
  '\\u0000',
  '\ud800',
  '９',
  '../',
  '#',
  '+',
  '/',
  '9007199254740993',
  '2e308',
];
const deep = [new Uint8Array(3000).fill(0x81), utf8.encode('['.repeat(3000)), utf8.encode('{"a":'.repeat(800))];

function splice(bytes: Uint8Array, from: number, to: number, insert: Uint8Array): Uint8Array {
  const made = new Uint8Array(from + insert.length + bytes.length - to);
  made.set(bytes.subarray(0, from));
  made.set(insert, from);
  made.set(bytes.subarray(to), from + insert.length);
  return made;
}

/** Each call takes a valid encoding and damages it in one to four of the ways below, as the random numbers say. */
export function createMutator(random: () => number, samples: readonly Uint8Array[]): () => Uint8Array {
  const upTo = (limit: number): number => Math.floor(random() * limit);
  const pick = <Item>(items: readonly Item[]): Item => {
    const item = items[upTo(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  };
  const range = (bytes: Uint8Array): [number, number] => {
    const from = upTo(bytes.length + 1);
    return [from, Math.min(bytes.length, from + upTo(24))];
  };
  const changes: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => {
      if (bytes.length === 0) return bytes;
      const made = bytes.slice();
      const at = upTo(made.length);
      made[at] = (made[at] ?? 0) ^ (1 << upTo(8));
      return made;
    },
    (bytes) => splice(bytes, upTo(bytes.length + 1), bytes.length, new Uint8Array()),
    (bytes) => splice(bytes, ...range(bytes), new Uint8Array()),
    (bytes) =>
      splice(
        bytes,
        ...range(bytes),
        Uint8Array.from({ length: upTo(8) }, () => upTo(256)),
      ),
    (bytes) => splice(bytes, ...range(bytes), pick(hostile)),
    (bytes) => splice(bytes, ...range(bytes), utf8.encode(pick(words))),
    (bytes) => {
      const at = upTo(bytes.length + 1);
      return splice(bytes, at, at, bytes.subarray(...range(bytes)));
    },
    (bytes) => {
      const other = pick(samples);
      return splice(bytes, ...range(bytes), other.subarray(...range(other)));
    },
    (bytes) => {
      const from = upTo(bytes.length + 1);
      return splice(bytes, from, bytes.length, random() < 0.1 ? pick(deep) : pick(samples).subarray(from));
    },
  ];
  return () => {
    let bytes = pick(samples);
    for (let rounds = 1 + upTo(4); rounds > 0; rounds--) bytes = pick(changes)(bytes);
    return bytes;
  };
}
