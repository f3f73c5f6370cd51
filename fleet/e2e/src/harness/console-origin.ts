import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LiveEvent } from '@serin/protocol/api/events';
import { eventsPath, routes, type ReplyOf, type Route, type RouteName } from '@serin/protocol/api/routes';
import { errorCatalogue, SerinError } from '@serin/protocol/errors';

export const consoleFolder = fileURLToPath(new URL('../../../../control-plane/console/dist/app', import.meta.url));

interface ApiCall {
  params: Record<string, string>;
  query: Record<string, string>;
  body: unknown;
}

/** What a test answers to the calls it expects; every other route is not found, as the server would say. */
export type ConsoleAnswers = { [Name in RouteName]?: (call: ApiCall) => ReplyOf<Name> };

export interface ConsoleOrigin {
  url: string;
  answers: ConsoleAnswers;
  /** Every call that changes something, in order. */
  changes: { route: RouteName; call: ApiCall }[];
  /** Tells every open event stream. */
  push(event: LiveEvent): void;
  close(): Promise<void>;
}

const contentPolicy = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; object-src 'none'";
const contentTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** The built console before an API that a test makes up: every screen can be shown without hours of training. */
export async function startConsoleOrigin(answers: ConsoleAnswers): Promise<ConsoleOrigin> {
  const streams = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    void answer(request, response);
  });
  const origin: ConsoleOrigin = {
    url: '',
    answers,
    changes: [],
    push: (event) => {
      for (const stream of streams) stream.write(`data: ${JSON.stringify(event)}\n\n`);
    },
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => {
        server.close(() => resolve());
      });
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://localhost');
    if (url.pathname === eventsPath) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(': open\n\n');
      streams.add(response);
      response.on('close', () => streams.delete(response));
      return;
    }
    if (url.pathname.startsWith('/api/')) {
      answerCall(origin, request.method ?? 'GET', url, await readBody(request), response);
      return;
    }
    const file = path.join(consoleFolder, path.normalize(url.pathname));
    const isFile = path.extname(file) !== '' && file.startsWith(consoleFolder) && existsSync(file);
    const sent = isFile ? file : path.join(consoleFolder, 'index.html');
    response
      .writeHead(200, { 'content-type': contentTypes[path.extname(sent)] ?? 'application/octet-stream', 'content-security-policy': contentPolicy })
      .end(readFileSync(sent));
  }

  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  origin.url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  return origin;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const piece of request) text += String(piece);
  return text === '' ? undefined : JSON.parse(text);
}

/** Literal segments go before parameters, as in the server's router. */
const table = (Object.entries(routes) as [RouteName, Route][]).toSorted(([, one], [, other]) => one.path.split(':').length - other.path.split(':').length);

function findRoute(method: string, pathname: string): { name: RouteName; params: Record<string, string> } | undefined {
  for (const [name, route] of table) {
    if (route.method !== method) continue;
    const keys = [...route.path.matchAll(/:(\w+)/g)].map(([, key]) => key ?? '');
    const found = new RegExp(`^${route.path.replace(/:\w+/g, '([^/]+)')}$`).exec(pathname);
    if (found !== null) return { name, params: Object.fromEntries(keys.map((key, index) => [key, decodeURIComponent(found[index + 1] ?? '')])) };
  }
  return undefined;
}

function answerCall({ answers, changes }: ConsoleOrigin, method: string, url: URL, body: unknown, response: ServerResponse): void {
  const send = (status: number, reply: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(reply));
  };
  const found = findRoute(method, url.pathname);
  const reply = found === undefined ? undefined : answers[found.name];
  try {
    if (found === undefined || reply === undefined) throw new SerinError('NOT_FOUND', { detail: url.pathname });
    const call: ApiCall = { params: found.params, query: Object.fromEntries(url.searchParams), body };
    if (method !== 'GET') changes.push({ route: found.name, call });
    send(200, reply(call));
  } catch (error) {
    const code = error instanceof SerinError ? error.code : 'INTERNAL';
    const { message, hint, status } = errorCatalogue[code];
    send(status, { code, message, hint, detail: String(error) });
  }
}
