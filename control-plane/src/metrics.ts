import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Figures read when somebody asks for the metrics. */
export type Figures = Readonly<Record<string, { help: string; read: () => number | Promise<number> }>>;

export interface Metrics {
  readonly contentType: string;
  text(): Promise<string>;
  countRequest(route: string, status: number, durationMs: number): void;
}

/** What the server tells Prometheus of itself. A registry of its own: two servers in one process do not mix. */
export function createMetrics(figures: Figures): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'serin_' });
  const requests = new Counter({ name: 'serin_http_requests_total', help: 'Requests answered', labelNames: ['route', 'status'], registers: [registry] });
  const durations = new Histogram({
    name: 'serin_http_request_seconds',
    help: 'Time to answer a request',
    labelNames: ['route'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [registry],
  });
  for (const [name, { help, read }] of Object.entries(figures)) {
    const gauge: Gauge = new Gauge({
      name: `serin_${name}`,
      help,
      registers: [registry],
      async collect() {
        gauge.set(await read());
      },
    });
  }
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    countRequest(route, status, durationMs) {
      requests.inc({ route, status: String(status) });
      durations.observe({ route }, durationMs / 1000);
    },
  };
}
