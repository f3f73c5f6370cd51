import '@fastify/cookie';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Role } from '@serin/protocol/api/resources';
import { SerinError } from '@serin/protocol/errors';
import { findSession, findToken, mayAct, type AccessContext, type Principal } from '../access.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Set once somebody has been asked for and was found. */
    principal: Principal | undefined;
    authenticate(): Promise<Principal | undefined>;
  }
}

export interface AuthenticationOptions extends AccessContext {
  cookieName: string;
  /** Origin of the console where a proxy stands before the server. */
  publicUrl: string | undefined;
}

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Browsers say where a request comes from; a page of another origin may not act with somebody's cookie. */
function requireSameOrigin(request: FastifyRequest, publicUrl: string | undefined): void {
  const { origin } = request.headers;
  const allowed = publicUrl === undefined ? [`http://${request.headers.host}`, `https://${request.headers.host}`] : [new URL(publicUrl).origin];
  if (origin === undefined || !allowed.includes(origin)) {
    throw new SerinError('FORBIDDEN', {
      detail: `the request comes from ${origin ?? 'an unknown origin'}`,
      hint: 'Use the console on its own address, or a token',
    });
  }
}

function bearerOf(request: FastifyRequest): string | undefined {
  const match = /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(request.headers.authorization ?? '');
  return match?.[1];
}

async function identify(request: FastifyRequest, options: AuthenticationOptions): Promise<Principal | undefined> {
  if (request.headers.authorization !== undefined) {
    const bearer = bearerOf(request);
    const principal = bearer === undefined ? undefined : await findToken(options, bearer);
    if (principal === undefined) throw new SerinError('TOKEN_INVALID');
    return principal;
  }
  const cookie = request.cookies[options.cookieName];
  if (cookie === undefined) return undefined;
  const principal = await findSession(options, cookie);
  if (principal !== undefined && !safeMethods.has(request.method)) requireSameOrigin(request, options.publicUrl);
  return principal;
}

export function registerAuthentication(app: FastifyInstance, options: AuthenticationOptions): void {
  app.decorateRequest('principal', undefined);
  app.decorateRequest('authenticate', async function (this: FastifyRequest) {
    this.principal ??= await identify(this, options);
    return this.principal;
  });
}

export async function requireRole(request: FastifyRequest, role: Role): Promise<Principal> {
  const principal = await request.authenticate();
  if (principal === undefined) throw new SerinError('NOT_SIGNED_IN');
  if (!mayAct(principal.role, role)) throw new SerinError('FORBIDDEN', { detail: `it needs the role ${role}, yours is ${principal.role}` });
  return principal;
}
