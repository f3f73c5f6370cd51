import type { PipelineInput } from '@serin/protocol/pipeline';

export const pipeline = {
  v: 1,
  name: 'fraud',
  description:
    'Which payments are not by the owner of the card. The payments are synthetic. A missed fraud costs 150, a call to an honest customer 4; ' +
    'all payments of a card lie in the same part of the data.',
  ingest: { files: ['fraud.csv'], spec: { kind: 'table', label: 'fraud', group: 'card' } },
  // One in some hundred is what the matter is about.
  validate: { accept: ['imbalance'] },
  positive: 'yes',
  train: { kind: 'trees', trees: 400, learningRate: 0.05, leaves: 15, leafRowsMin: 30 },
  evaluate: { metric: 'averagePrecision', slices: ['merchant'], costs: { yes: { no: 150 }, no: { yes: 4 } } },
  gate: { limits: { averagePrecision: { min: 0.4 } } },
} satisfies Omit<PipelineInput, 'name'> & { name: string };
