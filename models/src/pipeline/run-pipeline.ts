import { SerinError } from '@serin/protocol/errors';

import type { PipelineHooks, PipelineRequest, PipelineResult } from './request.ts';

export type { Champion, DatasetInput, PipelineHooks, PipelineReport, PipelineRequest, PipelineResult, StageProgress } from './request.ts';

/** Runs a pipeline: what has not changed since it was last done is taken from the cache. */
export async function runPipeline(_request: PipelineRequest, _hooks: PipelineHooks = {}): Promise<PipelineResult> {
  throw new SerinError('JOB_FAILED', { detail: 'pipelines do not run yet' });
}
