import { runPipeline, type PipelineReport } from '@serin/models/pipeline/run-pipeline';
import type { RunStage } from '@serin/protocol/api/runs';
import { stageNames } from '@serin/protocol/pipeline';
import { openPipelineRequest, writeRunResult, type PipelineJobRequest, type RunNews } from './run-folder.ts';

export interface ChildTold {
  progress(progress: { stage: string; fraction: number; message: string; metrics?: Record<string, number> }): void;
  news(body: RunNews): void;
  note(line: string): void;
}

const newsEveryMs = 500;
/** Points of a series that is told while it grows; the result has more. */
const livePointsMax = 200;

/** Every second point goes when there are too many: what is left spans all of it. */
export function addPoints(points: [number, number][], more: readonly (readonly [number, number])[], most = livePointsMax): [number, number][] {
  let all = [...points, ...more.map(([step, value]): [number, number] => [step, value])].filter(([, value]) => Number.isFinite(value));
  while (all.length > most) all = all.filter((_, index) => index % 2 === 0 || index === all.length - 1);
  return all;
}

/** Runs a pipeline, or a trial of one, and tells how it goes. */
export async function runPipelineJob(folder: string, request: PipelineJobRequest, told: ChildTold, signal: AbortSignal): Promise<void> {
  const stages = new Map<string, RunStage>();
  const series = new Map<string, [number, number][]>();
  let report: Partial<PipelineReport> = {};
  let isDue = false;
  let toldAt = 0;
  const tell = (): void => {
    if (!isDue) return;
    isDue = false;
    toldAt = performance.now();
    const ordered = stageNames.flatMap((name) => stages.get(name) ?? []);
    const { log: _, trials: __, ...known } = report;
    told.news({ ...known, stages: ordered, series: [...series].map(([name, points]) => ({ name, points })) });
  };
  // Training keeps the event loop busy for long: timers alone would tell of it when it is over.
  const tellNowAndThen = (): void => {
    if (performance.now() - toldAt >= newsEveryMs) tell();
  };
  try {
    const result = await runPipeline(await openPipelineRequest(folder, request), {
      signal,
      onStage(stage) {
        stages.set(stage.name, stage);
        isDue = true;
        tell();
      },
      onReport(known) {
        report = known;
        for (const stage of known.stages) stages.set(stage.name, stage);
        isDue = true;
      },
      onSeries(name, points) {
        series.set(name, addPoints(series.get(name) ?? [], points));
        isDue = true;
        tellNowAndThen();
      },
      onProgress({ stage, fraction, message, rate, remainingSeconds }) {
        const rest = remainingSeconds === null ? '' : `, ${Math.ceil(remainingSeconds)} s left`;
        // Stages are of very different lengths, so the whole is told by their number alone.
        const whole = (stageNames.indexOf(stage) + (fraction ?? 0)) / stageNames.length;
        told.progress({ stage, fraction: whole, message: `${message}${rate === null ? '' : `, ${rate}`}${rest}` });
      },
      onNote: told.note,
    });
    await writeRunResult(folder, result);
  } finally {
    tell();
  }
}
