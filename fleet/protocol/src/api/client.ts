import { SerinError, isErrorCode } from '../errors.ts';
import { errorReply, routes, type ReplyOf, type RequestOf, type Route, type RouteName } from './routes.ts';

export interface ApiClientOptions {
  baseUrl: string;
  fetch: typeof globalThis.fetch;
  /** Bearer token of a machine; browsers use their cookie. */
  token?: string;
  timeoutMs?: number;
}

type Arguments<Name extends RouteName> = keyof RequestOf<Name> extends never
  ? [request?: { raw?: Uint8Array; signal?: AbortSignal }]
  : [request: RequestOf<Name> & { raw?: Uint8Array; signal?: AbortSignal }];

export type ApiClient = <Name extends RouteName>(name: Name, ...args: Arguments<Name>) => Promise<ReplyOf<Name>>;

function address(
  baseUrl: string,
  path: string,
  params: Record<string, string> = {},
  query: Record<string, string | number | boolean | undefined> = {},
): string {
  const filled = path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) if (value !== undefined) search.set(name, String(value));
  const text = search.toString();
  return `${baseUrl}${filled}${text === '' ? '' : `?${text}`}`;
}

async function readError(response: Response): Promise<SerinError> {
  const parsed = errorReply.safeParse(await response.json().catch(() => undefined));
  if (parsed.success && isErrorCode(parsed.data.code)) {
    return new SerinError(parsed.data.code, { hint: parsed.data.hint, ...(parsed.data.detail === undefined ? {} : { detail: parsed.data.detail }) });
  }
  return new SerinError(response.status === 404 ? 'NOT_FOUND' : 'INTERNAL', { detail: `HTTP ${response.status}` });
}

interface PlainRequest {
  params?: Record<string, string>;
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  raw?: Uint8Array;
  signal?: AbortSignal;
}

/** The answer of a route, if it is none of an error. */
async function send({ baseUrl, fetch, token, timeoutMs = 30_000 }: ApiClientOptions, route: Route, request: PlainRequest): Promise<Response> {
  const limit = AbortSignal.timeout(timeoutMs);
  const headers: Record<string, string> = {};
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  if (request.raw !== undefined) headers['content-type'] = 'application/octet-stream';
  else if (request.body !== undefined) headers['content-type'] = 'application/json';
  let response: Response;
  try {
    response = await fetch(address(baseUrl, route.path, request.params, request.query), {
      method: route.method,
      headers,
      signal: request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]),
      ...(request.raw === undefined ? {} : { body: request.raw as Uint8Array<ArrayBuffer> }),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    });
  } catch (cause) {
    if (request.signal?.aborted) throw new SerinError('CANCELLED', { cause });
    throw new SerinError('SERVER_UNREACHABLE', { detail: baseUrl, cause });
  }
  if (!response.ok) throw await readError(response);
  return response;
}

/** One typed call for every route of the table. */
export function createApiClient(options: ApiClientOptions): ApiClient {
  return async (name, ...args) => {
    const route: Route = routes[name];
    const response = await send(options, route, (args[0] ?? {}) as PlainRequest);
    const parsed = route.reply.safeParse(await response.json());
    if (!parsed.success) throw new SerinError('MESSAGE_MALFORMED', { detail: `reply of ${name}` });
    return parsed.data as never;
  };
}

/** The same for routes that answer with a page when they are asked for one. */
export type PageClient = <Name extends RouteName>(name: Name, request: RequestOf<Name>) => Promise<string>;

export const createPageClient =
  (options: ApiClientOptions): PageClient =>
  async (name, request) =>
    (await send(options, routes[name], request as PlainRequest)).text();
