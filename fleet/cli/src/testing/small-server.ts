import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SerinError } from '@serin/protocol/errors';
import { routes, type ReplyOf, type Route, type RouteName } from '@serin/protocol/api/routes';

export interface Call {
  route: RouteName;
  params: Record<string, string>;
  query: Record<string, string>;
  body: Uint8Array;
  authorization: string | undefined;
}

export type Answers = { [Name in RouteName]?: (call: Call) => ReplyOf<Name> };

async function readAll(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function find(method: string, pathname: string): { route: RouteName; params: Record<string, string> } | undefined {
  for (const [name, route] of Object.entries(routes)) {
    const names: string[] = [];
    const pattern = route.path.replace(/:(\w+)/g, (_, param: string) => {
      names.push(param);
      return '([^/]+)';
    });
    const match = new RegExp(`^${pattern}$`).exec(pathname);
    if (route.method === method && match !== null) {
      return { route: name as RouteName, params: Object.fromEntries(names.map((param, index) => [param, decodeURIComponent(match[index + 1] ?? '')])) };
    }
  }
  return undefined;
}

/** The route table over real HTTP, with the answers a test gives; queries and bodies are checked as the table says. */
export async function startSmallServer(token: string, answers: Answers) {
  const calls: Call[] = [];
  const server = createServer((request, response) => {
    const answer = async (): Promise<unknown> => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const found = find(request.method ?? 'GET', url.pathname);
      if (found === undefined) throw new SerinError('NOT_FOUND');
      const { authorization } = request.headers;
      const call: Call = { ...found, query: Object.fromEntries(url.searchParams), body: await readAll(request), authorization };
      calls.push(call);
      if (authorization !== `Bearer ${token}`) throw new SerinError('TOKEN_INVALID');
      const table: Route = routes[found.route];
      table.query?.parse(call.query);
      table.body?.parse(JSON.parse(Buffer.from(call.body).toString('utf8')));
      const make = answers[found.route];
      if (make === undefined) throw new SerinError('NOT_FOUND', { detail: found.route });
      return make(call);
    };
    const reply = (status: number, body: unknown) =>
      typeof body === 'string'
        ? response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(body)
        : response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    answer().then(
      (body) => reply(200, body),
      (error: unknown) => {
        const { code, message, hint, status } = error instanceof SerinError ? error : new SerinError('BAD_REQUEST', { detail: String(error) });
        reply(status, { code, message, hint });
      },
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    close: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
