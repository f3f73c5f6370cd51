import type { DataSpec } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import type { PipelineFile } from '@serin/protocol/pipeline';

import type { Problems } from '../data/problems.ts';
import { openRecords } from '../data/records/open.ts';
import type { RecordBatch } from '../data/records/batch.ts';
import type { Plan, StageContext } from './stage.ts';

/** What the columns are for. The plan of a run has put the dataset's own where the file says nothing. */
export function specOf({ ingest }: PipelineFile): DataSpec {
  if (ingest.spec === undefined) throw new SerinError('PIPELINE_INVALID', { detail: 'ingest.spec: it is missing, and the dataset brings none' });
  return ingest.spec as DataSpec;
}

/** As `specOf`, of records: they need a label. */
export function recordSpecOf(file: PipelineFile): DataSpec & { readonly label: string } {
  const spec = specOf(file);
  if (spec.label === undefined) {
    throw new SerinError('PIPELINE_INVALID', {
      detail: 'ingest.spec.label: it is missing; it names the column to predict',
      hint: 'Add it: "spec": { "kind": "table", "label": "..." }',
    });
  }
  return { ...spec, label: spec.label };
}

/** The records of all files of the pipeline, a batch at a time. Faults go into the problems. */
export function readRecords(context: Pick<StageContext, 'plan' | 'locate' | 'signal' | 'progress' | 'now'>, problems: Problems): AsyncIterable<RecordBatch> {
  const { plan, locate, signal } = context;
  const { format, encoding, delimiter } = specOf(plan.file);
  if (format === 'folders')
    throw new SerinError('PIPELINE_INVALID', { detail: 'ingest.spec.format: folders hold pictures; records are csv, jsonl, parquet or lines' });
  const total = Math.max(1, totalBytes(plan));
  const began = context.now();
  return openRecords(
    plan.inputs.map(({ path }) => ({ file: locate(path), name: path })),
    {
      problems,
      ...(format === undefined ? {} : { format }),
      encoding,
      delimiter,
      signal,
      onProgress: ({ bytes }) => {
        const seconds = Math.max(1e-3, (context.now() - began) / 1000);
        context.progress(Math.min(1, bytes / total), 'reading', {
          rate: `${(bytes / seconds / 1e6).toFixed(1)} MB/s`,
          remainingSeconds: ((total - bytes) * seconds) / Math.max(1, bytes),
        });
      },
    },
  );
}

const totalBytes = ({ inputs }: Plan): number => inputs.reduce((sum, { bytes }) => sum + bytes, 0);
