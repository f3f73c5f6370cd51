import cookie from '@fastify/cookie';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import { jsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { randomBytes } from 'node:crypto';
import { eventsPath } from '@serin/protocol/api/routes';
import { productVersion } from '@serin/protocol/version';
import { findSession, findToken, sessionMs, type AccessContext } from '../access.ts';
import type { BlobStore } from '../blobs/disk.ts';
import { checkHealth, type Probe } from '../health.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Service } from '../service.ts';
import { registerAuthentication, requireRole } from './authentication.ts';
import { registerBlobs } from './blob-routes.ts';
import { registerErrors } from './errors.ts';
import type { EventHub } from './events.ts';
import { isLoopback, listenOn, requireLoopback } from './listener.ts';
import { registerPages, type Pages } from './pages.ts';
import { registerRoutes, type Handlers, type RouteRules } from './routes.ts';

export interface ApiServerOptions {
  host: string;
  port: number;
  insecure: boolean;
  publicUrl: string | undefined;
  access: AccessContext;
  handlers: (session: SessionCookie) => Handlers;
  rules: RouteRules;
  events: EventHub;
  blobs: BlobStore;
  /** A frame a device sent along, as a PNG file. */
  sampleImage(id: string): Promise<Uint8Array>;
  probes: Readonly<Record<string, Probe>>;
  metrics: Metrics;
  pages: Pages;
  log: Log;
}

export interface ApiServer extends Service {
  readonly url: string;
  readonly port: number;
}

/** How a session is kept by a browser; handlers of signing in and out use it. */
export interface SessionCookie {
  set(reply: CookieReply, secret: string): void;
  clear(reply: CookieReply): void;
}
type CookieReply = Pick<FastifyReply, 'setCookie' | 'clearCookie'>;

const formBytesMax = 256 * 1024;
const csp = {
  defaultSrc: ["'self'"],
  scriptSrc: ["'self'", "'wasm-unsafe-eval'"],
  // Element styles are set by the charts and the virtual lists.
  styleSrc: ["'self'", "'unsafe-inline'"],
  imgSrc: ["'self'", 'data:', 'blob:'],
  workerSrc: ["'self'", 'blob:'],
  objectSrc: ["'none'"],
  baseUri: ["'none'"],
  formAction: ["'self'"],
  frameAncestors: ["'none'"],
};

async function registerPlugins(app: FastifyInstance, { publicUrl }: ApiServerOptions): Promise<void> {
  const isSecure = publicUrl?.startsWith('https:') === true;
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: csp },
    strictTransportSecurity: isSecure ? { maxAge: 31_536_000 } : false,
    referrerPolicy: { policy: 'same-origin' },
    crossOriginOpenerPolicy: { policy: 'same-origin' },
  });
  await app.register(cookie);
  await app.register(rateLimit, { global: false });
  await app.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Serin', description: 'The operator’s API of the control plane.', version: productVersion } },
    transform: jsonSchemaTransform,
  });
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
}

/** The description is for those who may use it. */
async function registerDocs(app: FastifyInstance): Promise<void> {
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'Serin API' },
    // Without the bar on top: there is one description here, and the mark is another project's.
    uiConfig: { layout: 'BaseLayout', deepLinking: true },
    uiHooks: {
      onRequest: async (request) => {
        await requireRole(request, 'viewer');
      },
    },
  });
}

function registerRawRoutes(app: FastifyInstance, options: ApiServerOptions, cookieName: string): void {
  const { access, events, sampleImage, probes, metrics } = options;
  const hidden = { schema: { hide: true } } as const;

  app.get(eventsPath, hidden, async (request, reply) => {
    await requireRole(request, 'viewer');
    const bearer = request.headers.authorization?.slice('Bearer '.length);
    const session = request.cookies[cookieName];
    const isStillAllowed = async (): Promise<boolean> =>
      (bearer === undefined ? await findSession(access, session ?? '') : await findToken(access, bearer)) !== undefined;
    const lastEventId = request.headers['last-event-id'];
    for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) reply.raw.setHeader(name, value);
    events.follow(reply.raw, typeof lastEventId === 'string' ? lastEventId : undefined, isStillAllowed);
    reply.hijack();
  });

  app.get('/api/samples/:id/image', hidden, async (request, reply) => {
    await requireRole(request, 'viewer');
    const bytes = await sampleImage((request.params as { id: string }).id);
    return reply.header('cache-control', 'private, max-age=31536000, immutable').type('image/png').send(bytes);
  });

  app.get('/healthz', hidden, async () => ({ status: 'alive', ...(await checkHealth(probes)) }));
  app.get('/readyz', hidden, async (_request, reply) => {
    const health = await checkHealth(probes);
    return reply.code(health.isReady ? 200 : 503).send(health);
  });
  app.get('/metrics', hidden, async (request, reply) => {
    // A proxy makes strangers look local; behind one, a token is needed.
    const isLocal =
      isLoopback(request.socket.remoteAddress ?? '') &&
      request.headers['x-forwarded-for'] === undefined &&
      request.headers.forwarded === undefined &&
      options.publicUrl === undefined;
    if (!isLocal) await requireRole(request, 'viewer');
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}

/** Console, API, description, event stream: one plain listener, loopback unless told otherwise. */
export function createApiServer(options: ApiServerOptions): ApiServer {
  const { host, log, access } = options;
  let app: FastifyInstance | undefined;
  let port = options.port;
  const shownHost = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;

  async function build(): Promise<FastifyInstance> {
    const built = fastify({
      bodyLimit: formBytesMax,
      connectionTimeout: 120_000,
      requestTimeout: 120_000,
      forceCloseConnections: true,
      genReqId: () => randomBytes(6).toString('hex'),
      routerOptions: { maxParamLength: 128 },
    });
    built.setValidatorCompiler(validatorCompiler);
    built.setSerializerCompiler(serializerCompiler);
    registerErrors(built, log);
    await registerPlugins(built, options);
    // Browsers share cookies between the ports of a host; two servers on one machine must not sign each other out.
    const cookieName = `serin_${options.port}`;
    registerAuthentication(built, { ...access, cookieName, publicUrl: options.publicUrl });
    const attributes = { path: '/', httpOnly: true, sameSite: 'strict' as const, secure: options.publicUrl?.startsWith('https:') === true };
    const session: SessionCookie = {
      set: (reply, secret) => void reply.setCookie(cookieName, secret, { ...attributes, maxAge: sessionMs / 1000 }),
      clear: (reply) => void reply.clearCookie(cookieName, attributes),
    };
    built.addHook('onResponse', (request, reply, done) => {
      options.metrics.countRequest(request.routeOptions.url ?? 'other', reply.statusCode, reply.elapsedTime);
      done();
    });
    registerRoutes(built, options.handlers(session), options.rules);
    registerRawRoutes(built, options, cookieName);
    registerBlobs(built, options.blobs, async (request) => {
      await requireRole(request, 'viewer');
    });
    await registerDocs(built);
    await registerPages(built, options.pages, log);
    return built;
  }

  return {
    name: 'api',
    get port() {
      return port;
    },
    get url() {
      return `http://${shownHost}:${port}`;
    },
    async start() {
      requireLoopback(host, options.insecure);
      app = await build();
      port = await listenOn(app, host, options.port, 'console and API');
    },
    async stop() {
      await app?.close();
      app = undefined;
    },
  };
}
