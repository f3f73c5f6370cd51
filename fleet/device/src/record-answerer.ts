import { readRecordAnswer, recordPreparer, type DataRecord, type PreparedRecord, type RecordAnswer, type RecordPreparer } from '@serin/inference/records';
import { takesRecords, type Manifest } from '@serin/protocol/bundle/manifest';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import { SerinError } from '@serin/protocol/errors';
import { readEmbedding } from './answer.ts';
import type { AskOptions, EngineSession, RecordReply } from './ports.ts';
import { reasonFinder, requireTreesOf, type ReasonFinder } from './record-reasons.ts';

/** What it needs of a loaded bundle. */
export interface RecordModel {
  manifest: Manifest;
  preprocessing?: Preprocessing | undefined;
  explainer?: Uint8Array | undefined;
  session: EngineSession;
}

const inputNames: Record<Preprocessing['kind'], readonly string[]> = { table: ['features'], text: ['buckets', 'weights', 'tokens'] };

/** Refuses a bundle whose records could not become what its model takes: it could not answer a single one. */
export function requireRecordInput({ manifest, preprocessing, explainer }: Omit<RecordModel, 'session'>): void {
  if (!takesRecords(manifest)) return;
  if (preprocessing === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it does not say how records become tensors' });
  const stranger = manifest.inputs.find(({ name }) => !inputNames[preprocessing.kind].includes(name));
  if (stranger !== undefined) throw new SerinError('MODEL_LOAD_FAILED', { detail: `nothing of a record becomes its input ${stranger.name}` });
  const width = manifest.inputs[0]?.shape.at(-1);
  if (preprocessing.kind === 'table' && width !== -1 && width !== preprocessing.columns.length)
    throw new SerinError('MODEL_LOAD_FAILED', { detail: `it takes ${width} features, records have ${preprocessing.columns.length} columns` });
  if (preprocessing.kind === 'table' && explainer !== undefined) requireTreesOf(preprocessing, explainer);
}

export interface AnsweredRecord extends RecordAnswer {
  /** What the model's graph made of the record beside the answer. */
  readonly embedding: Float32Array | undefined;
}

const unreadMax = 20;

/** A model of tables or texts, ready to be asked about one record after the other. */
export class RecordAnswerer {
  readonly prepare: RecordPreparer;
  readonly #model: RecordModel;
  readonly #reasons: ReasonFinder;
  readonly #fields: ReadonlySet<string>;

  constructor(model: RecordModel) {
    const { preprocessing } = model;
    if (preprocessing === undefined) throw new SerinError('BUNDLE_MANIFEST_INVALID', { detail: 'it does not say how records become tensors' });
    this.prepare = recordPreparer(preprocessing);
    this.#model = model;
    const { manifest, explainer, session } = model;
    this.#fields = new Set((preprocessing.kind === 'table' ? preprocessing.columns : preprocessing.fields).map(({ name }) => name));
    this.#reasons = reasonFinder({ preprocessing, explainer, session, labels: manifest.labels.length });
  }

  async answer({ inputs }: PreparedRecord): Promise<AnsweredRecord> {
    const outputs = await this.#model.session.run(inputs);
    const answer = readRecordAnswer(outputs, this.#model.manifest.decision);
    if (answer === undefined) throw new SerinError('MODEL_INVALID', { detail: 'it answered neither probabilities nor a value' });
    return { ...answer, embedding: readEmbedding(outputs) };
  }

  /** The answer in words. One that is not finite is none. */
  async reply(record: DataRecord, prepared: PreparedRecord, answer: RecordAnswer, ms: number, { reasons = 0 }: AskOptions = {}): Promise<RecordReply> {
    const { manifest } = this.#model;
    const { finite, confidence, label, value, probabilities } = answer;
    if (!finite) throw new SerinError('MODEL_INVALID', { detail: `${manifest.model} ${manifest.version} gave an answer that is not finite` });
    return {
      model: manifest.model,
      version: manifest.version,
      ...(value === undefined ? { label: manifest.labels[label] ?? String(label), confidence, value } : { label: undefined, confidence: undefined, value }),
      probabilities,
      reasons: reasons === 0 ? [] : await this.#reasons(record, prepared, answer, reasons),
      unread: Object.keys(record)
        .filter((name) => !this.#fields.has(name))
        .slice(0, unreadMax),
      ms,
    };
  }
}
