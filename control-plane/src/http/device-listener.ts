import type { TLSSocket } from 'node:tls';
import rateLimit from '@fastify/rate-limit';
import fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { joinPath, joinReply, joinRequest, renewPath, renewReply, renewRequest, type JoinRequest } from '@serin/protocol/api/join';
import { SerinError } from '@serin/protocol/errors';
import type { DeviceId } from '@serin/protocol/ids';
import type { BlobStore } from '../blobs/disk.ts';
import { authenticateDevice, joinDevice, renewDevice, type DeviceContext } from '../devices.ts';
import type { Log } from '../log.ts';
import type { Service } from '../service.ts';
import { registerBlobs } from './blob-routes.ts';
import { registerErrors, replyWithError } from './errors.ts';
import { isLoopback, listenOn } from './listener.ts';

export interface DeviceListenerOptions {
  host: string;
  port: number;
  context: DeviceContext;
  blobs: BlobStore;
  log: Log;
}

export interface DeviceListener extends Service {
  readonly port: number;
}

const bodyBytesMax = 32 * 1024;
const joinsPerMinute = { elsewhere: 120, loopback: 6000 };

/** The certificate was checked by TLS against the fleet's CA; here it is looked up. */
async function deviceOf(request: FastifyRequest, context: DeviceContext): Promise<{ id: DeviceId; serial: string }> {
  const socket = request.raw.socket as TLSSocket;
  const certificate = socket.authorized ? socket.getPeerCertificate() : undefined;
  if (certificate?.subject === undefined) throw new SerinError('NOT_SIGNED_IN', { hint: 'Show the certificate of a device' });
  return { id: await authenticateDevice(context, String(certificate.subject.CN), certificate.serialNumber), serial: certificate.serialNumber };
}

function buildDeviceApp({ context, log }: DeviceListenerOptions): FastifyInstance {
  const { server, caPem } = context.keys;
  const app = fastify({
    https: {
      key: server.keyPem,
      cert: server.certPem,
      ca: caPem,
      requestCert: true,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.2',
      handshakeTimeout: 10_000,
    },
    bodyLimit: bodyBytesMax,
    connectionTimeout: 60_000,
    requestTimeout: 30_000,
    forceCloseConnections: true,
  }) as unknown as FastifyInstance;
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  registerErrors(app, log);
  app.setNotFoundHandler((request, reply) => replyWithError(request, reply, new SerinError('NOT_FOUND'), log));
  return app;
}

async function registerDeviceRoutes(app: FastifyInstance, { context, blobs }: DeviceListenerOptions): Promise<void> {
  await app.register(rateLimit, { global: false });
  const max = (request: FastifyRequest): number => (isLoopback(request.ip) ? joinsPerMinute.loopback : joinsPerMinute.elsewhere);
  app.post(joinPath, { schema: { body: joinRequest, response: { 200: joinReply } }, config: { rateLimit: { max, timeWindow: '1 minute' } } }, async (request) =>
    joinDevice(context, request.body as JoinRequest),
  );
  app.post(
    renewPath,
    { schema: { body: renewRequest, response: { 200: renewReply } }, config: { rateLimit: { max, timeWindow: '1 minute' } } },
    async (request) => {
      const { id, serial } = await deviceOf(request, context);
      return renewDevice(context, id, serial, (request.body as { csrPem: string }).csrPem);
    },
  );
  registerBlobs(app, blobs, async (request) => {
    await deviceOf(request, context);
  });
}

/** HTTPS for devices, with the fleet's own authority: join by token, everything else by certificate. */
export function createDeviceListener(options: DeviceListenerOptions): DeviceListener {
  let app: FastifyInstance | undefined;
  let port = options.port;
  return {
    name: 'device listener',
    get port() {
      return port;
    },
    async start() {
      app = buildDeviceApp(options);
      await registerDeviceRoutes(app, options);
      port = await listenOn(app, options.host, options.port, 'devices');
    },
    async stop() {
      await app?.close();
      app = undefined;
    },
  };
}
