import type { Stage } from '../stage.ts';
import { evaluate } from './evaluate.ts';
import { gate } from './gate.ts';
import { ingest } from './ingest.ts';
import { pack } from './package.ts';
import { quantise } from './quantise.ts';
import { search } from './search.ts';
import { split } from './split.ts';
import { train } from './train.ts';
import { validate } from './validate.ts';

/** All stages, in the order in which they run. */
export const stageTable: readonly Stage[] = [ingest, validate, split, search, train, evaluate, quantise, gate, pack];
