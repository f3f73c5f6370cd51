export interface Line {
  /** The first is 1; empty lines count. */
  readonly number: number;
  /** Undefined where it cannot be had, for the reason in `fault`. */
  readonly text: string | undefined;
  readonly fault?: 'too-large' | 'encoding';
}

const newline = 0x0a;

async function* asUtf8(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | undefined;
  let first = true;
  for await (let chunk of chunks) {
    if (first) {
      first = false;
      if (chunk[0] === 0xff && chunk[1] === 0xfe) decoder = new TextDecoder('utf-16le');
      else if (chunk[0] === 0xfe && chunk[1] === 0xff) decoder = new TextDecoder('utf-16be');
      else if (chunk[0] === 0xef && chunk[1] === 0xbb && chunk[2] === 0xbf) chunk = chunk.subarray(3);
    }
    yield decoder === undefined ? chunk : Buffer.from(decoder.decode(chunk, { stream: true }));
  }
}

function decodeFatally(decoder: TextDecoder, bytes: Buffer): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}

const trimEnd = (line: string): string => (line.endsWith('\r') ? line.slice(0, -1) : line);

/** Lines of a text in UTF-8, or in UTF-16 with a byte order mark, some at a time. */
export async function* splitLines(chunks: AsyncIterable<Buffer>, lineBytesMax: number): AsyncGenerator<readonly Line[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let number = 0;
  let rest: Buffer[] = [];
  let restBytes = 0;
  let skipping = false;

  const take = (bytes: Buffer): Line[] => {
    const lines: Line[] = [];
    const add = (text: string | undefined, size: number): void => {
      number += 1;
      if (skipping || size > lineBytesMax) lines.push({ number, text: undefined, fault: 'too-large' });
      else if (text === undefined) lines.push({ number, text, fault: 'encoding' });
      else lines.push({ number, text: trimEnd(text) });
      skipping = false;
    };
    const whole = decodeFatally(decoder, bytes);
    if (whole !== undefined) for (const text of whole.split('\n')) add(text, text.length);
    else {
      // Something in it is no UTF-8: find the lines it is in.
      for (let start = 0; start <= bytes.length;) {
        const found = bytes.indexOf(newline, start);
        const end = found === -1 ? bytes.length : found;
        add(decodeFatally(decoder, bytes.subarray(start, end)), end - start);
        start = end + 1;
      }
    }
    return lines;
  };

  for await (const chunk of asUtf8(chunks)) {
    const last = chunk.lastIndexOf(newline);
    if (last === -1) {
      rest.push(chunk);
      restBytes += chunk.length;
    } else {
      const block = rest.length === 0 ? chunk.subarray(0, last) : Buffer.concat([...rest, chunk.subarray(0, last)]);
      yield take(block);
      rest = [chunk.subarray(last + 1)];
      restBytes = chunk.length - last - 1;
    }
    if (restBytes > lineBytesMax) {
      // Whatever else the line has, it is not kept.
      skipping = true;
      rest = [];
      restBytes = 0;
    }
  }
  if (restBytes > 0 || skipping) yield take(Buffer.concat(rest));
}
