import { decodeWestern } from '../../data/records/encoding.ts';

/** What a person reads of an e-mail. */
export interface Mail {
  readonly subject: string;
  readonly body: string;
}

const partsMax = 200;
const depthMax = 10;
const bodyUnitsMax = 400_000;

/** Reads the subject and the text of a message as it was sent (RFC 5322, MIME). What is malformed is read as well as it can be. */
export function readMail(bytes: Uint8Array): Mail {
  const message = splitMessage(bytesToUnits(bytes));
  const budget = { parts: partsMax };
  const body = textOf(message, budget, 0).slice(0, bodyUnitsMax);
  return { subject: decodeWords(message.headers.get('subject') ?? '').trim(), body: body.trim() };
}

interface Entity {
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** One UTF-16 unit a byte, so that text and encodings can be told apart later. */
const bytesToUnits = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');

/** Headers end at the first empty line; one that goes on begins with a space. */
function splitMessage(raw: string): Entity {
  const end = /^\r?\n|\r?\n\r?\n/.exec(raw);
  const head = end === null ? raw : raw.slice(0, end.index);
  const headers = new Map<string, string>();
  for (const line of head.replace(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== '' && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return { headers, body: end === null ? '' : raw.slice(end.index + end[0].length) };
}

function textOf({ headers, body }: Entity, budget: { parts: number }, depth: number): string {
  budget.parts -= 1;
  if (budget.parts < 0 || depth > depthMax) return '';
  const { type, parameters } = readContentType(headers.get('content-type') ?? 'text/plain');
  if (type.startsWith('multipart/')) {
    const parts = splitParts(body, parameters.get('boundary')).map(splitMessage);
    if (parts.length === 0) return textOf({ headers: new Map(), body }, budget, depth + 1);
    const texts = parts.map((part) => textOf(part, budget, depth + 1));
    // Of alternatives the first is the plainest.
    if (type === 'multipart/alternative') return texts.find((text) => text.trim() !== '') ?? '';
    return texts.filter((text) => text !== '').join('\n');
  }
  const encoding = (headers.get('content-transfer-encoding') ?? '').toLowerCase();
  if (type === 'message/rfc822') return textOf(splitMessage(body), budget, depth + 1);
  if (!type.startsWith('text/') || /^attachment/i.test(headers.get('content-disposition') ?? '')) return '';
  const text = decodeCharset(decodeTransfer(body, encoding), parameters.get('charset'));
  // Spam is sent as plain text that is none.
  return type === 'text/html' || /<html\b|<body\b/i.test(text.slice(0, 2000)) ? stripTags(text) : text;
}

function readContentType(value: string): { type: string; parameters: ReadonlyMap<string, string> } {
  const [type = ''] = value.split(';', 1);
  const parameters = new Map<string, string>();
  for (const [, name = '', quoted, bare] of value.matchAll(/;\s*([\w-]{1,40})\s*=\s*(?:"([^"]{0,200})"|([^\s;"]{1,200}))/g)) {
    parameters.set(name.toLowerCase(), quoted ?? bare ?? '');
  }
  const known = type.trim().toLowerCase();
  return { type: /^[\w-]+\/[\w.+-]+$/.test(known) ? known : 'text/plain', parameters };
}

function splitParts(body: string, boundary: string | undefined): string[] {
  if (boundary === undefined || boundary === '') return [];
  const lines = body.split(/\r?\n/);
  const parts: string[][] = [];
  let inside = false;
  for (const line of lines) {
    const trimmed = line.trimEnd();
    if (trimmed === `--${boundary}--`) inside = false;
    else if (trimmed === `--${boundary}`) {
      inside = true;
      parts.push([]);
    } else if (inside) parts.at(-1)?.push(line);
  }
  return parts.slice(0, partsMax).map((part) => part.join('\n'));
}

function decodeTransfer(body: string, encoding: string): string {
  if (encoding.includes('base64')) return Buffer.from(body, 'base64').toString('latin1');
  return encoding.includes('quoted-printable') ? decodeQuoted(body.replace(/=[ \t]*\r?\n/g, '')) : body;
}

const decodeQuoted = (text: string): string => text.replace(/=([\dA-Fa-f]{2})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

/** By the name it gives, UTF-8 where it is, else as Windows wrote it in the West. */
function decodeCharset(units: string, charset: string | undefined): string {
  const bytes = Buffer.from(units, 'latin1');
  for (const name of [charset ?? 'utf-8', 'utf-8']) {
    try {
      const decoder = new TextDecoder(name, { fatal: true });
      return decoder.encoding === 'windows-1252' ? decodeWestern(bytes) : decoder.decode(bytes);
    } catch {
      // An unknown name or bytes of another charset: the next.
    }
  }
  return decodeWestern(bytes);
}

/** Encoded words of headers (RFC 2047). */
const decodeWords = (value: string): string =>
  value
    .replace(/(=\?[^?]{1,40}\?[bq]\?[^?]*\?=)\s+(?==\?)/gi, '$1')
    .replace(/=\?([^?]{1,40})\?([bq])\?([^?]*)\?=/gi, (_, charset: string, kind: string, text: string) =>
      decodeCharset(kind.toLowerCase() === 'b' ? Buffer.from(text, 'base64').toString('latin1') : decodeQuoted(text.replaceAll('_', ' ')), charset),
    );

const inline = /^<\/?(?:a|abbr|b|big|em|font|i|s|small|span|strike|strong|sub|sup|u)\b/i;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ', copy: '©', reg: '®', trade: '™' };

/** The text of a page: what is not shown goes, and so do tags, of which only those of a word's looks part no words. */
export function stripTags(html: string): string {
  return html
    .replace(/<!--[^]*?(?:-->|$)/g, '')
    .replace(/<(script|style|title)\b[^]*?(?:<\/\1\s*>|$)/gi, ' ')
    .replace(/<[a-z/!][^<>]{0,5000}(?:>|$)/gi, (tag) => (inline.test(tag) ? '' : ' '))
    .replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]{2,8}));?/gi, (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return entities[name.toLowerCase()] ?? whole;
      const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : ' ';
    });
}
