import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import staticFiles from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SerinError } from '@serin/protocol/errors';
import type { Log } from '../log.ts';
import { replyWithError } from './errors.ts';

export interface Pages {
  /** Folder of the built console. */
  console: string;
  /** Folder of the built browser client, served under /web/. */
  web: string;
}

export const builtPages: Pages = {
  console: fileURLToPath(new URL('../../console/dist/app', import.meta.url)),
  web: fileURLToPath(new URL('../../../web-client/dist/app', import.meta.url)),
};

/** Addresses of data: what is missing there is missing, never the console's page. */
const dataPaths = /^\/(api|blobs|docs|metrics|healthz|readyz)(\/|$)/;
const notBuilt = '<!doctype html><meta charset="utf-8"><title>Serin</title><p>The console has not been built. Run <code>npm run build</code>, then reload.</p>';

const serve = (root: string, prefix: string) => ({
  root,
  prefix,
  decorateReply: false,
  wildcard: true,
  index: ['index.html'],
  setHeaders: (reply: FastifyReply, file: string) => {
    // Built assets carry a hash in their names; pages must be asked for each time.
    const isHashed = file.split(path.sep).includes('assets');
    void reply.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
  },
});

const isPage = (request: FastifyRequest): boolean =>
  request.method === 'GET' &&
  !dataPaths.test(request.url) &&
  path.posix.extname(request.url.split('?')[0] ?? '') === '' &&
  (request.headers.accept ?? '').includes('text/html');

/** The console for every address a person may open; real 404s for data and files. */
export async function registerPages(app: FastifyInstance, pages: Pages, log: Log): Promise<void> {
  const hasConsole = existsSync(path.join(pages.console, 'index.html'));
  await app.register(staticFiles, { root: pages.console, serve: false });
  if (hasConsole) await app.register(staticFiles, serve(pages.console, '/'));
  if (existsSync(path.join(pages.web, 'index.html'))) {
    await app.register(staticFiles, serve(pages.web, '/web/'));
    app.get('/web', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/web/'));
  }
  app.setNotFoundHandler(async (request, reply): Promise<FastifyReply> => {
    if (!isPage(request)) return replyWithError(request, reply, new SerinError('NOT_FOUND', { detail: request.url.split('?')[0] ?? '' }), log);
    if (!hasConsole) return reply.code(503).type('text/html; charset=utf-8').send(notBuilt);
    return reply.header('cache-control', 'no-cache').sendFile('index.html');
  });
}
