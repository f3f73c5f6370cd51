import type { Alert } from '@serin/protocol/api/resources';
import { HistogramChart } from '../charts/histogram-chart.tsx';
import { humanise } from '../domain/format.ts';

export function AlertEvidence({ alert, height }: { alert: Alert; height?: number }) {
  return (
    <HistogramChart
      statistic={humanise(alert.statistic)}
      reference={alert.reference}
      live={alert.live}
      edges={alert.edges}
      {...(height === undefined ? {} : { height })}
    />
  );
}
