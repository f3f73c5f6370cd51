import { availableParallelism } from 'node:os';
import { writeFile } from 'node:fs/promises';
import { designLight } from '@serin/inference/bin-scene/parameters';

import { learn } from './learn.ts';
import { createNetwork } from './network.ts';
import { packStarter, starterFile } from './starter.ts';

/** node models/dist/examples/bin-picking/make-starter.js: trains the starter from scratch, as the README says. */
const seed = 1;
const model = await learn({
  model: createNetwork(seed),
  fresh: true,
  data: { rendered: 1600, light: designLight },
  epochs: 18,
  seed,
  threads: availableParallelism(),
  onProgress: ({ step, steps, loss }) => process.stdout.write(`\rstep ${step} of ${steps}, loss ${loss.toFixed(3)}   `),
});
const bytes = packStarter(model);
await writeFile(starterFile, bytes);
console.log(`\n${bytes.length} bytes in ${starterFile.pathname}`);
