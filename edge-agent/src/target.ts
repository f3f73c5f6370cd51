import { arch } from 'node:os';
import type { Target } from '@serin/device/candidates';
import { processorFlags } from '@serin/node/machine';

const byteProducts = /vnni|^amx_int8$|^asimddp$|^dotprod$|^i8mm$/;

/** What runs models here: this processor. */
export const createTarget = (flags: readonly string[] = processorFlags()): Target => ({
  runtime: 'cpu',
  architecture: arch(),
  hasByteProducts: flags.some((flag) => byteProducts.test(flag)),
});
