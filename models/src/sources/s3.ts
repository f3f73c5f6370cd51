import { AwsV4Signer } from 'aws4fetch';

import { readFileList, type Listed } from './file-list.ts';
import { download, fetchText, parseUrl, type Sign } from './http.ts';
import { safeName, secretOf, sourceFault, writeWholeFile, type SourceContext, type SourceReader } from './source.ts';

const listBytesMax = 16 * 2 ** 20;
const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos));/gi, (_, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return entities[name.toLowerCase()] ?? '';
    const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    return point <= 0x10ffff ? String.fromCodePoint(point) : '';
  });
}

const field = (xml: string, name: string): string | undefined => {
  const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
  return found === undefined ? undefined : unescape(found);
};

export interface Page {
  readonly objects: readonly Listed[];
  /** Where the next page begins. */
  readonly next: string | undefined;
}

/** One page of ListObjectsV2. Folders that consoles make (empty keys with a slash behind) are no files. */
export function parsePage(xml: string): Page {
  if (!/<ListBucketResult[\s>]/.test(xml))
    throw sourceFault('the bucket answered with something that is no list', undefined, 'Check the endpoint and the bucket');
  const coded = field(xml, 'EncodingType') === 'url';
  const objects = [...xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)].flatMap(([, content = '']): Listed[] => {
    const key = field(content, 'Key');
    const bytes = Number(field(content, 'Size'));
    const mark = field(content, 'ETag');
    if (key === undefined || mark === undefined || !Number.isSafeInteger(bytes)) throw sourceFault('the list of the bucket is malformed');
    const time = Date.parse(field(content, 'LastModified') ?? '');
    const name = coded ? decodeURIComponent(key.replaceAll('+', ' ')) : key;
    return name.endsWith('/') ? [] : [{ name, bytes, mark, time: Number.isNaN(time) || time < 0 ? undefined : time, settled: true }];
  });
  const next = field(xml, 'IsTruncated') === 'true' ? field(xml, 'NextContinuationToken') : undefined;
  return { objects, next };
}

/** Segments that every URL parser takes out: such keys cannot be asked for. */
const isUnreachable = (key: string): boolean => key.split('/').some((part) => part === '.' || part === '..');

/** Objects of a bucket, at any server that speaks S3, by paths rather than by names of hosts. */
export const readS3: SourceReader<'s3'> = async (settings, cursor, context) => {
  const { bucket, prefix, region } = settings;
  const endpoint = parseUrl(settings.endpoint);
  const base = `${endpoint.origin}${endpoint.pathname.replace(/\/$/, '')}/${encodeURIComponent(bucket)}`;
  const accessKeyId = secretOf(context, settings.keyIdSecret);
  const secretAccessKey = secretOf(context, settings.keySecret);
  const sign: Sign = async (url, headers) => {
    const datetime = new Date(context.now()).toISOString().replaceAll(/[:-]|\.\d{3}/g, '');
    const signed = await new AwsV4Signer({ url: url.href, headers, accessKeyId, secretAccessKey, service: 's3', region, datetime }).sign();
    return Object.fromEntries(signed.headers);
  };

  const list = async (): Promise<Listed[]> => {
    const listed: Listed[] = [];
    const tokens = new Set<string>();
    for (let token: string | undefined; ;) {
      const url = new URL(base);
      url.search = new URLSearchParams({
        'list-type': '2',
        'encoding-type': 'url',
        prefix,
        ...(token === undefined ? {} : { 'continuation-token': token }),
      }).toString();
      const page = parsePage(await fetchText(url, context, sign, listBytesMax));
      listed.push(...page.objects.filter(({ name }) => !isUnreachable(name)));
      if (page.next === undefined || listed.length > context.limits.listedMax) return listed;
      if (tokens.has(page.next)) throw sourceFault('the list of the bucket goes round in circles');
      tokens.add(page.next);
      token = page.next;
    }
  };

  return readFileList(
    { kind: `s3 ${base}/${prefix}`, list, take: (listed) => takeObject(new URL(`${base}/${keyPath(listed.name)}`), listed, sign, context) },
    cursor,
    context,
  );
};

const keyPath = (key: string): string =>
  key
    .split('/')
    .map((part) => encodeURIComponent(part).replaceAll(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`))
    .join('/');

async function takeObject(url: URL, { name, bytes, mark }: Listed, sign: Sign, context: SourceContext) {
  if (bytes > context.limits.fileBytesMax) throw sourceFault(`${name} has ${bytes} bytes; at most ${context.limits.fileBytesMax} are read`);
  return writeWholeFile(context, safeName(name), async (handle) => {
    const { stored, headers } = await download({ url, sign, packed: false }, handle, context);
    if (stored === undefined) throw sourceFault(`${name} was not sent`);
    // What was listed and what was sent may be two versions of it: the mark is the one of what came.
    return { ...stored, mark: headers.etag ?? mark };
  });
}
