import { SerinError } from '@serin/protocol/errors';

import type { TreeEnsemble } from './ensemble.ts';

/**
 * Trees as a file: eight words of head, then, all little-endian, levels, base, nodes of each tree, values, covers, gains, sets
 * (4 bytes each), features (2 bytes), sides of missing values (1 byte). Where children and sets lie follows from the order of nodes.
 */
const magic = 0x4e525453; // STRN
const version = 1;
const headWords = 8;
const links = ['identity', 'logistic', 'softmax'] as const;

export const treeLimits = { features: 4096, levels: 10_000, outputs: 1024, trees: 2 ** 20, nodes: 2 ** 23, setWords: 2 ** 24, depth: 4096 } as const;

export function encodeTrees(trees: TreeEnsemble): Uint8Array<ArrayBuffer> {
  const { levels, link, base, roots, feature, value, missingLeft, sets, cover, gain } = trees;
  const sizes = roots.subarray(1).map((end, tree) => end - (roots[tree] as number));
  const head = Uint32Array.of(magic, version, links.indexOf(link), levels.length, base.length, sizes.length, feature.length, sets.length);
  const parts = [head, levels, base, sizes, value, cover, gain, sets, feature, missingLeft];
  const bytes = new Uint8Array(parts.reduce((sum, { byteLength }) => sum + byteLength, 0));
  let at = 0;
  for (const { buffer, byteOffset, byteLength } of parts) {
    bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at);
    at += byteLength;
  }
  return bytes;
}

const invalid = (detail: string): SerinError =>
  new SerinError('MODEL_INVALID', { detail: `the trees: ${detail}`, hint: 'Publish the version again with a matching server' });

/** Reads what anybody may have written: everything a prediction or an explanation relies on is checked. */
export function decodeTrees(content: Uint8Array): TreeEnsemble {
  // A slice of Node's own kind of bytes shares their memory.
  const bytes = new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
  const headBytes = headWords * 4;
  if (bytes.length < headBytes) throw invalid('the file is cut off');
  const head = new Uint32Array(bytes.slice(0, headBytes).buffer);
  const [found, format, linkCode, features, outputs, trees, nodes, setWords] = head as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (found !== magic) throw invalid('the file is of another kind');
  if (format !== version) throw invalid(`format ${format}, this program reads ${version}`);
  const link = links[linkCode];
  if (link === undefined) throw invalid(`unknown kind of answer ${linkCode}`);
  const over = Object.entries({ features, outputs, trees, nodes, setWords }).find(([name, count]) => count > treeLimits[name as keyof typeof treeLimits]);
  if (over !== undefined) throw invalid(`${over[1]} ${over[0]}, more than the limit of ${treeLimits[over[0] as keyof typeof treeLimits]}`);
  const wanted = headBytes + 4 * (features + outputs + trees + 3 * nodes + setWords) + 3 * nodes;
  if (bytes.length !== wanted) throw invalid(`${bytes.length} bytes where ${wanted} are needed`);

  let at = headBytes;
  const take = (length: number): ArrayBuffer => {
    at += length;
    return bytes.slice(at - length, at).buffer as ArrayBuffer;
  };
  const levels = new Int32Array(take(features * 4));
  const base = new Float32Array(take(outputs * 4));
  const sizes = new Int32Array(take(trees * 4));
  const [value, cover, gain] = [new Float32Array(take(nodes * 4)), new Float32Array(take(nodes * 4)), new Float32Array(take(nodes * 4))];
  const sets = new Uint32Array(take(setWords * 4));
  const feature = new Int16Array(take(nodes * 2));
  const missingLeft = new Uint8Array(take(nodes));
  const laid = layOut({ levels, base, link, sizes, feature, value, missingLeft, cover, gain, sets });
  return { levels, link, base, feature, value, missingLeft, sets, cover, gain, ...laid };
}

interface Stored extends Omit<TreeEnsemble, 'roots' | 'right' | 'setAt'> {
  readonly sizes: Int32Array;
}

/** Where right children and sets lie; throws where something cannot be. */
function layOut(stored: Stored): Pick<TreeEnsemble, 'roots' | 'right' | 'setAt'> {
  const { levels, base, link, sizes, feature, cover } = stored;
  if (levels.length === 0) throw invalid('no features');
  if (link === 'softmax' ? base.length < 2 : base.length !== 1) throw invalid(`${base.length} margins for ${link}`);
  if (sizes.length % base.length !== 0) throw invalid(`${sizes.length} trees for ${base.length} margins`);
  if (levels.some((count) => count < 0 || count > treeLimits.levels)) throw invalid('a category with too many levels');
  if (!base.every(Number.isFinite)) throw invalid('a margin that is not finite');
  const nodes = feature.length;
  const roots = new Int32Array(sizes.length + 1);
  const right = new Int32Array(nodes);
  const setAt = new Int32Array(nodes).fill(-1);
  /** Splits whose right child is still to come. */
  const open = new Int32Array(treeLimits.depth);
  let setNext = 0;
  let node = 0;
  for (let tree = 0; tree < sizes.length; tree += 1) {
    const size = sizes[tree] as number;
    if (size < 1 || size > nodes - node) throw invalid(`tree ${tree} has ${size} nodes`);
    const end = node + size;
    let depth = 0;
    for (let isOpen = true; isOpen; node += 1) {
      if (node >= end) throw invalid(`tree ${tree} has a split without children`);
      checkNode(stored, node);
      const asked = feature[node] as number;
      if (asked >= 0) {
        if (depth === treeLimits.depth) throw invalid(`tree ${tree} is deeper than ${treeLimits.depth}`);
        open[depth] = node;
        depth += 1;
        if ((levels[asked] as number) === 0) continue;
        setAt[node] = setNext;
        setNext += Math.ceil((levels[asked] as number) / 32);
      } else {
        isOpen = depth > 0;
        if (isOpen) {
          depth -= 1;
          right[open[depth] as number] = node + 1;
        }
      }
    }
    if (node !== end) throw invalid(`tree ${tree} ends before its last node`);
    roots[tree + 1] = end;
  }
  if (node !== nodes) throw invalid('nodes that belong to no tree');
  if (setNext !== stored.sets.length) throw invalid(`${stored.sets.length} words of sets where ${setNext} are needed`);
  for (let each = 0; each < nodes; each += 1) {
    if ((feature[each] as number) < 0) continue;
    const [whole, parts] = [cover[each] as number, (cover[each + 1] as number) + (cover[right[each] as number] as number)];
    if (Math.abs(whole - parts) > whole * 1e-4) throw invalid(`node ${each} counts other rows than its children`);
  }
  return { roots, right, setAt };
}

function checkNode({ levels, feature, value, missingLeft, cover, gain }: Stored, node: number): void {
  const asked = feature[node] as number;
  if (asked < -1 || asked >= levels.length) throw invalid(`node ${node} asks for feature ${asked} of ${levels.length}`);
  const [found, rows, won] = [value[node] as number, cover[node] as number, gain[node] as number];
  if (Number.isNaN(found) || (asked < 0 && !Number.isFinite(found))) throw invalid(`node ${node} has the value ${found}`);
  if (!(rows > 0 && rows < Infinity)) throw invalid(`node ${node} counts ${rows} rows`);
  if (!Number.isFinite(won)) throw invalid(`node ${node} won ${won}`);
  if ((missingLeft[node] as number) > 1) throw invalid(`node ${node} sends missing values nowhere`);
}
