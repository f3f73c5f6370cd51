import type { PipelineInput } from '@serin/protocol/pipeline';

export const pipeline = {
  v: 1,
  name: 'loan',
  description: 'Which loans will not be paid back. The applications are synthetic. A loan that fails costs ten times what a refused good one does.',
  ingest: { files: ['loan.csv'], spec: { kind: 'table', label: 'defaulted', id: 'application' } },
  positive: 'yes',
  train: { kind: 'trees', trees: 300, learningRate: 0.05, leaves: 15, leafRowsMin: 40 },
  evaluate: { metric: 'auc', slices: ['employment'], costs: { yes: { no: 10 }, no: { yes: 1 } } },
  gate: { limits: { auc: { min: 0.7 }, ece: { max: 0.05 } } },
} satisfies Omit<PipelineInput, 'name'> & { name: string };
