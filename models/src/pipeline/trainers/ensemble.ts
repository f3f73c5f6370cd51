import { SerinError } from '@serin/protocol/errors';

import type { Trainer } from './trainer.ts';

export const trainer: Trainer<'ensemble'> = {
  train: () => Promise.reject(new SerinError('MODEL_UNSUPPORTED', { detail: 'ensembles are not trained yet' })),
};
