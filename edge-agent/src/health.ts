import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { asSerinError, SerinError } from '@serin/protocol/errors';
import type { Reported } from '@serin/protocol/messages/reported';
import { predict, predictPrefix, type Ask } from './predict.ts';
import type { Tally } from './tally.ts';
import { hasCode } from '@serin/node/files';

export interface HealthSources {
  device: string;
  isConnected(): boolean;
  models(): Reported['models'];
  tally: Tally;
  spool: { waiting(): number; dropped(): number };
  restarts(): number;
  ask: Ask;
}

export interface Health {
  readonly port: number;
  stop(): Promise<void>;
}

const metricPrefix = 'serin_agent';
const escapeLabel = (text: string): string => text.replace(/[\\"\n]/g, (letter) => (letter === '\n' ? '\\n' : `\\${letter}`));

/** Prometheus text format. */
export function renderMetrics({ isConnected, models, tally, spool, restarts }: HealthSources): string {
  const lines: string[] = [];
  const metric = (name: string, type: 'counter' | 'gauge', help: string, samples: readonly (readonly [labels: string, value: number])[]): void => {
    lines.push(`# HELP ${metricPrefix}_${name} ${help}`, `# TYPE ${metricPrefix}_${name} ${type}`);
    for (const [labels, value] of samples) lines.push(`${metricPrefix}_${name}${labels} ${value}`);
  };
  const { frames, run, skipped, failed, deadlineMissed, nonFinite, judged, wrong } = tally.counters;
  metric('connected', 'gauge', 'Whether the control connection is up', [['', isConnected() ? 1 : 0]]);
  metric('frames_total', 'counter', 'Frames of closed windows, by what became of them', [
    ['{outcome="delivered"}', frames],
    ['{outcome="run"}', run],
    ['{outcome="skipped"}', skipped],
    ['{outcome="failed"}', failed],
    ['{outcome="deadline_missed"}', deadlineMissed],
    ['{outcome="non_finite"}', nonFinite],
    ['{outcome="judged"}', judged],
    ['{outcome="wrong"}', wrong],
  ]);
  metric('inference_ms_sum', 'counter', 'Time spent in the model', [['', tally.latencySumMs]]);
  metric('inference_ms_count', 'counter', 'Runs of the model', [['', tally.latencyCount]]);
  metric('spool_windows', 'gauge', 'Telemetry windows that wait for their acknowledgement', [['', spool.waiting()]]);
  metric('spool_dropped_total', 'counter', 'Telemetry windows dropped since the device was made', [['', spool.dropped()]]);
  metric('inference_restarts_total', 'counter', 'Times the inference process was started again', [['', restarts()]]);
  metric(
    'model_version',
    'gauge',
    'Version that answers frames',
    models().flatMap(({ model, active }) =>
      active === undefined ? [] : [[`{model="${escapeLabel(model)}",variant="${active.variant}"}`, active.version] as const],
    ),
  );
  return `${lines.join('\n')}\n`;
}

/** For a supervisor and programs on this machine: nothing here is for the network. */
export async function startHealth(port: number, sources: HealthSources): Promise<Health> {
  const answer = (response: ServerResponse, status: number, type: string, body: string): void =>
    void response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
  const answerRecord = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      answer(response, 200, 'application/json', `${JSON.stringify(await predict(request, sources.ask))}\n`);
    } catch (thrown) {
      const { code, status, message, hint, detail } = asSerinError(thrown);
      // What is left of a body that was too long is not read.
      if (code === 'TOO_LARGE') response.setHeader('connection', 'close');
      answer(response, status, 'application/json', `${JSON.stringify({ code, message, hint, detail })}\n`);
    }
  };
  const server: Server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000, keepAliveTimeout: 5_000 }, (request, response) => {
    const { method, url } = request;
    const [path] = (url ?? '').split('?');
    if (path?.startsWith(predictPrefix) === true) {
      if (method !== 'POST') return answer(response, 405, 'text/plain', 'records are sent by POST\n');
      return void answerRecord(request, response);
    }
    if (method !== 'GET') return answer(response, 405, 'text/plain', 'only GET\n');
    if (path === '/metrics') return answer(response, 200, 'text/plain; version=0.0.4', renderMetrics(sources));
    if (path !== '/healthz') return answer(response, 404, 'text/plain', 'there are /healthz, /metrics and /predict/NAME\n');
    const { device, isConnected, models, spool } = sources;
    const body = { status: 'ok', device, connected: isConnected(), waitingWindows: spool.waiting(), models: models() };
    answer(response, 200, 'application/json', `${JSON.stringify(body)}\n`);
  });
  server.maxConnections = 32;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(hasCode(cause, 'EADDRINUSE') ? new SerinError('PORT_TAKEN', { detail: `127.0.0.1:${port}`, cause }) : cause));
    server.listen(port, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
