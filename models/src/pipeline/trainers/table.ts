import type { TrainerSettings } from '@serin/protocol/pipeline';

import type { TrainedModel, Trainer, Training } from './trainer.ts';

type Kind = TrainerSettings['kind'];

interface Row<Of extends Kind> {
  /** Its code decides what a training makes; that of other kinds does not. */
  readonly module: URL;
  readonly load: () => Promise<{ readonly trainer: Trainer<Of> }>;
}

/** Every kind of training there is. */
const table: { readonly [Of in Kind]: Row<Of> } = {
  trees: { module: new URL(own('trees'), import.meta.url), load: () => import('./trees.ts') },
  linear: { module: new URL(own('linear'), import.meta.url), load: () => import('./linear.ts') },
  'text-linear': { module: new URL(own('text-linear'), import.meta.url), load: () => import('./text-linear.ts') },
  'text-conv': { module: new URL(own('text-conv'), import.meta.url), load: () => import('./text-conv.ts') },
  'image-classifier': { module: new URL(own('image-classifier'), import.meta.url), load: () => import('./image-classifier.ts') },
  ensemble: { module: new URL(own('ensemble'), import.meta.url), load: () => import('./ensemble.ts') },
};

/** As this module is: a source, or compiled. */
function own(name: string): string {
  return `./${name}.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
}

export const trainerModules = (settings: TrainerSettings): URL[] =>
  settings.kind === 'ensemble' ? [table.ensemble.module, ...settings.members.flatMap(trainerModules)] : [table[settings.kind].module];

export async function trainModel(settings: TrainerSettings, training: Training): Promise<TrainedModel> {
  const { trainer } = await (table[settings.kind] as Row<Kind>).load();
  return trainer.train(settings as never, training);
}
