import { readRecordAnswer, recordPreparer, type DataRecord, type PreparedRecord, type RecordAnswer, type RecordPreparer } from '@serin/inference/records';
import { takesRecords, type Manifest } from '@serin/protocol/bundle/manifest';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';
import type { EngineSession } from './ports.ts';

/** What it needs of a loaded bundle. */
export interface RecordModel {
  manifest: Manifest;
  preprocessing?: Preprocessing | undefined;
  session: EngineSession;
}

const inputNames: Record<Preprocessing['kind'], readonly string[]> = { table: ['features'], text: ['buckets', 'weights', 'tokens'] };

/** Refuses a bundle whose records could not become what its model takes: it could not answer a single one. */
export function requireRecordInput({ manifest, preprocessing }: Pick<RecordModel, 'manifest' | 'preprocessing'>): void {
  if (!takesRecords(manifest)) return;
  if (preprocessing === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it does not say how records become tensors' });
  const stranger = manifest.inputs.find(({ name }) => !inputNames[preprocessing.kind].includes(name));
  if (stranger !== undefined) throw new SerinError('MODEL_LOAD_FAILED', { detail: `nothing of a record becomes its input ${stranger.name}` });
  const width = manifest.inputs[0]?.shape.at(-1);
  if (preprocessing.kind === 'table' && width !== -1 && width !== preprocessing.columns.length)
    throw new SerinError('MODEL_LOAD_FAILED', { detail: `it takes ${width} features, records have ${preprocessing.columns.length} columns` });
}

/** A model of tables or texts, ready to be asked about one record after the other. */
export class RecordAnswerer {
  readonly prepare: RecordPreparer;
  readonly #session: EngineSession;

  constructor({ preprocessing, session }: RecordModel) {
    if (preprocessing === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it does not say how records become tensors' });
    this.prepare = recordPreparer(preprocessing);
    this.#session = session;
  }

  async answer({ inputs }: PreparedRecord): Promise<RecordAnswer> {
    const answer = readRecordAnswer(await this.#session.run(inputs));
    if (answer === undefined) throw new SerinError('MODEL_INVALID', { detail: 'it answered neither probabilities nor a value' });
    return answer;
  }
}
