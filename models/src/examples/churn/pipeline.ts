import type { PipelineInput } from '@serin/protocol/pipeline';

export const pipeline = {
  v: 1,
  name: 'churn',
  description: 'Which customers are about to leave. The customers are synthetic.',
  ingest: { files: ['churn.csv'], spec: { kind: 'table', label: 'churned', id: 'customer' } },
  positive: 'yes',
  train: { kind: 'trees', trees: 300, learningRate: 0.06, leaves: 15 },
  evaluate: { metric: 'auc', slices: ['plan', 'region'] },
  gate: { limits: { auc: { min: 0.7 } } },
} satisfies Omit<PipelineInput, 'name'> & { name: string };
