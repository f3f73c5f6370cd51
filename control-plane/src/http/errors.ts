import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod';
import type { ErrorReply } from '@serin/protocol/api/routes';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Log } from '../log.ts';
import { codedStoreFault } from '../store/faults.ts';

/** What Fastify itself complains about, in our codes. */
function codedFastifyError(error: FastifyError): SerinError | undefined {
  if (hasZodFastifySchemaValidationErrors(error)) {
    const words = error.validation.map(({ instancePath, message }) => `${error.validationContext ?? ''}${instancePath} ${message ?? ''}`.trim());
    return new SerinError('BAD_REQUEST', { detail: words.join('; ').slice(0, 500) });
  }
  if (error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new SerinError('TOO_LARGE');
  if (error.statusCode === 429) return new SerinError('TOO_MANY_REQUESTS', { detail: error.message });
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) return new SerinError('BAD_REQUEST', { detail: error.message });
  return undefined;
}

export function codedError(thrown: unknown): SerinError {
  const fault = codedStoreFault(thrown);
  if (fault instanceof SerinError) return fault;
  return codedFastifyError(fault as FastifyError) ?? asSerinError(fault);
}

/** One shape for every error. The cause of a fault nobody foresaw stays in the log. */
export function replyWithError(request: FastifyRequest, reply: FastifyReply, thrown: unknown, log: Log): FastifyReply {
  const error = codedError(thrown);
  if (error.status >= 500)
    log.error({ requestId: request.id, method: request.method, url: request.url.split('?')[0], err: error, cause: error.cause }, 'request failed');
  const isOurs = error.code !== 'INTERNAL';
  const body: ErrorReply = {
    code: error.code,
    message: isOurs ? error.message : new SerinError('INTERNAL').message,
    hint: error.hint,
    ...(isOurs && error.detail !== undefined ? { detail: error.detail } : {}),
    requestId: request.id,
  };
  return reply.code(error.status).header('x-request-id', request.id).type('application/json; charset=utf-8').serializer(JSON.stringify).send(body);
}

export function registerErrors(app: FastifyInstance, log: Log): void {
  app.setErrorHandler((error, request, reply) => replyWithError(request, reply, error, log));
}
