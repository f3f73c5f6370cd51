import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Job } from '@serin/protocol/api/resources';
import { readImportSpec, type ImportSpec } from '@serin/protocol/import-spec';
import { SerinError } from '@serin/protocol/errors';
import type { ModelName } from '@serin/protocol/ids';
import { readWhole } from '../arguments.ts';
import type { Session } from '../command.ts';
import { exitCodes, unreadable, type ExitCode } from '../exit-codes.ts';
import { hashFiles, inputsOf, listFiles, sendFiles } from '../send-files.ts';
import { exitCodeOfFault, followJob, goesOn, sayFault } from './job-end.ts';
import { reportFields, sayChecks } from './report-summary.ts';
import { reportWords } from './run.ts';

export const importArgs = {
  calibrate: {
    type: 'string',
    valueHint: 'folder',
    description: 'pictures like those it will see: quantised and judged by them; folders named after the classes say what they show',
  },
  spec: { type: 'string', valueHint: 'file', description: 'how frames become its input and what its output means, as JSON: docs/import.md' },
} as const;

export interface ImportWishes {
  file: string;
  model: ModelName;
  labels: readonly string[];
  note: string | undefined;
  calibrate: string | undefined;
  spec: string | undefined;
  wait: boolean;
  timeoutS: string;
}

const modelFile = 'model.onnx';

/** The spec as its file has it, with what the command line says beside it. */
async function specOf({ spec, labels }: ImportWishes): Promise<ImportSpec> {
  const text =
    spec === undefined
      ? '{}'
      : await readFile(spec, 'utf8').catch((cause: Error) => {
          throw unreadable(spec, cause);
        });
  const read = readImportSpec(text);
  return { ...read, ...(labels.length === 0 ? {} : { labels: [...labels] }) };
}

/** Sends a model with its pictures, and tells how its import goes. */
export async function importModel(wishes: ImportWishes, session: Session): Promise<ExitCode> {
  const { api, say } = session;
  const timeoutMs = readWhole(wishes.timeoutS, '--timeout-s', 1, 31_536_000) * 1000;
  const spec = await specOf(wishes);
  const [file, ...pictures] = await hashFiles(
    [
      { name: modelFile, file: wishes.file },
      ...(wishes.calibrate === undefined ? [] : await listFiles(wishes.calibrate, { name: path.basename(wishes.calibrate), prefix: '' })),
    ],
    session,
  );
  if (file === undefined) throw new RangeError('there is no model');
  const [named] = inputsOf([file]);
  if (named === undefined) throw new RangeError('there is no model');
  const body = { file: named, pictures: inputsOf(pictures), spec, ...(wishes.note === undefined ? {} : { note: wishes.note }) };
  let begun = await api('importModel', { params: { name: wishes.model }, body });
  if (begun.job === null) {
    await sendFiles([file, ...pictures], begun.missing, session);
    begun = await api('importModel', { params: { name: wishes.model }, body });
  }
  const { job } = begun;
  if (job === null) throw new SerinError('CONFLICT', { detail: `${begun.missing.length} files are not on the server although they were sent` });
  if (!wishes.wait) {
    say(goesOn(job.id));
    return exitCodes.ok;
  }
  const last = await followJob(session, job.id, timeoutMs);
  if (last === undefined) {
    say(`Still under way after ${wishes.timeoutS} s. ${goesOn(job.id)}`);
    return exitCodes.timeout;
  }
  return last.status === 'SUCCEEDED' && last.version !== null ? tellVersion(wishes.model, last.version, session) : tellFailure(last, session);
}

async function tellVersion(model: ModelName, version: number, { api, showOne, say, link }: Session): Promise<ExitCode> {
  const report = await api('getVersionReport', { params: { name: model, version: String(version) }, query: {} });
  showOne({ model, version, report }, () => [['version', version], ...reportFields(report)]);
  say(`All of it: serin model report ${model} ${version} --html report.html`);
  say(`Roll it out: serin rollout start ${model} ${version}`);
  link(`/models?model=${model}&version=${version}`);
  return exitCodes.ok;
}

/** Of a version that did not pass each check that failed, and where the figures are. */
async function tellFailure({ id, model, status, error }: Job, session: Session): Promise<ExitCode> {
  const { api, say, link } = session;
  const isGate = error?.code === 'GATE_FAILED';
  const run = isGate ? (await api('listRuns', { query: { model, limit: '100' } })).items.find(({ jobId }) => jobId === id) : undefined;
  if (run?.gate == null) sayFault(error, session);
  else {
    say('The version did not pass its gate:');
    sayChecks({ passed: false, checks: run.gate.checks.filter(({ passed }) => !passed) }, session);
    say(reportWords(run.id));
    link(`/runs/${run.id}`);
  }
  return status === 'CANCELLED' ? exitCodes.failure : exitCodeOfFault(error?.code);
}
