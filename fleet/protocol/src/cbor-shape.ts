/**
 * Whether bytes are one item of the plain CBOR our encoder writes: integers, floats, byte and text strings,
 * arrays and maps with text keys, all of definite length. Tags are refused, because the decoder would build
 * dates, sets, patterns, shared references and record readers from them; so are nesting beyond `depthMax`
 * and lengths the bytes cannot hold. Looks only at heads and allocates nothing that the sender chooses.
 */
export function isPlainCbor(bytes: Uint8Array, depthMax: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Per open array or map: items still to come, and whether it is a map (an even number to come means a key).
  const left = [1];
  const isMap = [false];
  let position = 0;

  /** The head's argument, or NaN where it is cut off, reserved or of indefinite length. */
  const argument = (head: number): number => {
    const short = head & 31;
    if (short < 24) return short;
    if (short > 27) return Number.NaN;
    const width = 1 << (short - 24);
    if (position + width > bytes.length) return Number.NaN;
    const at = position;
    position += width;
    if (width === 1) return view.getUint8(at);
    if (width === 2) return view.getUint16(at);
    return width === 4 ? view.getUint32(at) : view.getUint32(at) * 4_294_967_296 + view.getUint32(at + 4);
  };

  while (left.length > 0) {
    const level = left.length - 1;
    const remaining = left[level] ?? 0;
    if (remaining === 0) {
      left.pop();
      isMap.pop();
      continue;
    }
    if (position >= bytes.length) return false;
    left[level] = remaining - 1;
    const head = bytes[position++] ?? 0;
    const major = head >> 5;
    const value = argument(head);
    if (Number.isNaN(value)) return false;
    if (isMap[level] === true && remaining % 2 === 0 && major !== 3) return false;
    if (major === 2 || major === 3) {
      if (value > bytes.length - position) return false;
      position += value;
    } else if (major === 4 || major === 5) {
      const items = major === 5 ? value * 2 : value;
      if (items > bytes.length - position || left.length > depthMax) return false;
      left.push(items);
      isMap.push(major === 5);
    } else if (major === 6) return false;
    else if (major === 7 && ((head & 31) < 20 || (head & 31) === 24)) return false;
  }
  return position === bytes.length;
}
