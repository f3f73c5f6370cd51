import type { LayerKind } from './layer.ts';
import { activationLayers } from './layers/activation.ts';
import { convLayers } from './layers/conv.ts';
import { denseLayers } from './layers/dense.ts';
import { mergeLayers } from './layers/merge.ts';
import { normaliseLayers } from './layers/normalise.ts';
import { poolLayers } from './layers/pool.ts';
import { recurrentLayers } from './layers/recurrent.ts';
import { shapeLayers } from './layers/shape.ts';
import { wrapperLayers } from './layers/wrapper.ts';

/** Every class of layer that is read, beside InputLayer and models used as layers. */
export const layerKinds: Readonly<Record<string, LayerKind>> = {
  ...denseLayers,
  ...convLayers,
  ...poolLayers,
  ...normaliseLayers,
  ...activationLayers,
  ...mergeLayers,
  ...shapeLayers,
  ...recurrentLayers,
  ...wrapperLayers,
};
