import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod/mini';
import { errorReply, routes, type ReplyOf, type Route, type RouteName } from '@serin/protocol/api/routes';
import { SerinError } from '@serin/protocol/errors';
import type { Principal } from '../access.ts';
import { requireRole } from './authentication.ts';

type PartOf<Name extends RouteName, Part extends 'params' | 'query' | 'body'> =
  (typeof routes)[Name] extends Record<Part, infer Schema extends z.ZodMiniType> ? z.output<Schema> : undefined;

export interface ApiRequest<Name extends RouteName> {
  params: PartOf<Name, 'params'>;
  query: PartOf<Name, 'query'>;
  body: PartOf<Name, 'body'>;
  /** Who asks; open routes may be asked by nobody. */
  principal: Principal | undefined;
  /** The name that goes into rows and audit. */
  actor: string;
  /** The body of a route that takes a file, or a piece of one. */
  bytes(): Uint8Array;
  http: { request: FastifyRequest; reply: FastifyReply };
}

/** One function for every route of the protocol's table. */
export type Handlers = { [Name in RouteName]: (request: ApiRequest<Name>) => Promise<ReplyOf<Name>> };

export interface RouteRules {
  /** Requests a minute from one address; the rest are not limited. */
  perMinute: Partial<Record<RouteName, number>>;
  /** Largest body of routes that take more than a form. */
  bodyBytesMax: Partial<Record<RouteName, number>>;
  /** Says in its own words what is wrong with a body that its schema refuses, by throwing. */
  explain: Partial<Record<RouteName, (body: unknown) => void>>;
}

/** Registers the whole table: schemas, roles and documentation come from it, the work from the handlers. */
export function registerRoutes(app: FastifyInstance, handlers: Handlers, rules: RouteRules): void {
  for (const name of Object.keys(routes) as RouteName[]) registerRoute(app, name, handlers[name] as (request: ApiRequest<never>) => Promise<unknown>, rules);
}

function registerRoute(
  app: FastifyInstance,
  name: RouteName,
  handler: (request: ApiRequest<never>) => Promise<unknown>,
  { perMinute, bodyBytesMax, explain }: RouteRules,
): void {
  const route: Route = routes[name];
  const limit = perMinute[name];
  const bodyLimit = bodyBytesMax[name];
  app.route({
    method: route.method,
    url: route.path,
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
    attachValidation: true,
    config: { rateLimit: limit === undefined ? false : { max: limit, timeWindow: '1 minute' } },
    schema: {
      operationId: name,
      summary: route.summary,
      description: route.access === 'open' ? 'Open to everybody.' : `Needs the role ${route.access}.`,
      tags: [route.path.split('/')[2] ?? 'api'],
      ...(route.params === undefined ? {} : { params: route.params }),
      ...(route.query === undefined ? {} : { querystring: route.query }),
      ...(route.body === undefined ? {} : { body: route.body }),
      response: { 200: route.reply, '4xx': errorReply, '5xx': errorReply },
    },
    onRequest: async (request) => {
      if (route.access !== 'open') await requireRole(request, route.access);
    },
    handler: async (request, reply) => {
      if (request.validationError !== undefined) {
        explain[name]?.(request.body);
        throw request.validationError;
      }
      const call = {
        params: request.params,
        query: request.query,
        body: request.body,
        principal: request.principal,
        actor: request.principal?.name ?? 'nobody',
        bytes: () => bytesOf(request.body),
        http: { request, reply },
      };
      return handler(call as unknown as ApiRequest<never>);
    },
  });
}

function bytesOf(body: unknown): Uint8Array {
  if (!(body instanceof Uint8Array)) throw new SerinError('BAD_REQUEST', { detail: 'the body must be the file itself, as application/octet-stream' });
  return body;
}
