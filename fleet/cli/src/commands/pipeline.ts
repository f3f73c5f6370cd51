import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Pipeline } from '@serin/protocol/api/runs';
import { inputFilesMax } from '@serin/protocol/api/datasets';
import { SerinError } from '@serin/protocol/errors';
import { modelName } from '@serin/protocol/ids';
import { pipelineSchemaText, readPipeline } from '@serin/protocol/pipeline-file';
import { pipelineTemplates, pipelineTemplateText, type PipelineTemplateName } from '@serin/protocol/pipeline-templates';
import type { PipelineFile } from '@serin/protocol/pipeline';
import { readValue, readWhole } from '../arguments.ts';
import { command, localCommand, type Group, type Session } from '../command.ts';
import { exitCodes, unreadable, UsageError, type ExitCode } from '../exit-codes.ts';
import { figure, formatAge, type Column } from '../output.ts';
import { hashFiles, inputsOf, listFiles, sendFiles, type HashedFile } from '../send-files.ts';
import { goesOn, waitArg, timeoutArg } from './job-end.ts';
import { endOf, followRun, runFields } from './run.ts';

const usualFile = 'pipeline.json';
const schemaFile = 'pipeline.schema.json';
const templateNames = Object.keys(pipelineTemplates) as PipelineTemplateName[];

const columns = (nowMs: number): Column<Pipeline>[] => [
  { title: 'pipeline', cell: ({ name }) => name },
  { title: 'trainer', cell: ({ trainer }) => trainer },
  { title: 'runs', cell: ({ runs }) => runs },
  { title: 'last', cell: ({ last }) => (last === null ? '-' : `${last.status} ${formatAge(last.at, nowMs)}`) },
  { title: 'cached', cell: ({ last }) => (last === null ? '-' : `${last.cachedStages} of ${last.stages}`) },
  {
    title: 'metrics',
    cell: ({ last }) =>
      Object.entries(last?.metrics ?? {})
        .slice(0, 3)
        .map(([name, value]) => `${name} ${figure(value)}`)
        .join(', ') || '-',
  },
];

async function writeNew(file: string, text: string, force: boolean): Promise<void> {
  try {
    await writeFile(file, text, { flag: force ? 'w' : 'wx' });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') throw new UsageError(`${file} is there already; --force replaces it`);
    throw new UsageError(`${file} cannot be written: ${(cause as Error).message}`);
  }
}

/** The files a pipeline names, as it names them; they lie where it lies. */
async function inputFiles(file: PipelineFile, place: string, session: Session): Promise<HashedFile[]> {
  const named = [...('files' in file.ingest ? file.ingest.files : []), ...(file.validate.schema === undefined ? [] : [file.validate.schema])];
  const files = [];
  for (const name of new Set(named)) {
    files.push(...(await listFiles(path.resolve(path.dirname(place), name), { name, prefix: `${name.replace(/\/+$/, '')}/` })));
    if (files.length > inputFilesMax) throw new UsageError(`the pipeline names more than ${inputFilesMax} files`);
  }
  return hashFiles(files, session);
}

export const pipelineGroup: Group = {
  description: 'declared ways from data to a version',
  commands: {
    ls: command('List pipelines and how their last run went', {}, async (_, { api, world, showList, link }) => {
      const { items } = await api('listPipelines');
      showList(columns(world.nowMs()), items, 'No pipeline yet. `serin pipeline init table` begins one.');
      link('/pipelines');
    }),
    init: localCommand(
      `Begin a pipeline file: ${templateNames.join(', ')}`,
      {
        template: { type: 'positional', required: true, description: templateNames.map((name) => `${name}: ${pipelineTemplates[name].title}`).join('; ') },
        name: { type: 'string', valueHint: 'model', description: 'of the pipeline, and of the model it makes' },
        file: { type: 'string', valueHint: 'path', default: usualFile, description: 'where it is written; its schema goes beside it' },
        force: { type: 'boolean', description: 'replace files that are there' },
      },
      async ({ template, name, file, force }, { say }) => {
        const chosen = templateNames.find((known) => known === template);
        if (chosen === undefined) throw new UsageError(`TEMPLATE is one of ${templateNames.join(', ')}, not "${template}"`);
        const text = pipelineTemplateText(chosen, `./${schemaFile}`);
        const named = name === undefined ? text : renamed(text, readValue(modelName, name, '--name', 'lower-case letters, digits, - and _, 63 at most'));
        await writeNew(file, named, force === true);
        await writeNew(path.join(path.dirname(file), schemaFile), pipelineSchemaText(), true);
        say(
          `${file} is written, with ${schemaFile} for your editor. Name your files and columns in it, then run: serin pipeline run${file === usualFile ? '' : ` ${file}`}`,
        );
      },
    ),
    run: command(
      'Run a pipeline: what has not changed is not done again',
      {
        file: { type: 'positional', required: false, description: `the pipeline file, ${usualFile} when left out` },
        fresh: { type: 'boolean', description: 'do every stage again, whatever is cached' },
        rollout: { type: 'boolean', description: 'roll the version out when it has passed' },
        ...waitArg,
        ...timeoutArg,
      },
      async (args, session): Promise<ExitCode> => {
        const { api, say, showOne, link } = session;
        const timeoutMs = readWhole(args['timeout-s'], '--timeout-s', 1, 31_536_000) * 1000;
        const place = args.file ?? usualFile;
        const text = await readFile(place, 'utf8').catch((cause: Error) => {
          throw unreadable(place, cause);
        });
        const file = readPipeline(text);
        const files = await inputFiles(file, place, session);
        const body = { file, inputs: inputsOf(files), rollout: args.rollout === true, fresh: args.fresh === true };
        let begun = await api('runPipeline', { body });
        if (begun.run === null) {
          await sendFiles(files, begun.missing, session);
          begun = await api('runPipeline', { body });
        }
        const { run, job } = begun;
        if (run === null || job === null)
          throw new SerinError('CONFLICT', { detail: `${begun.missing.length} files are not on the server although they were sent` });
        say(`run ${run.id}`);
        if (!args.wait) {
          say(goesOn(job.id));
          showOne(run, runFields);
          link(`/runs/${run.id}`);
          return exitCodes.ok;
        }
        const last = await followRun(session, run.id, job.id, timeoutMs);
        if (last === undefined) {
          say(`Still under way after ${args['timeout-s']} s. ${goesOn(job.id)}`);
          return exitCodes.timeout;
        }
        const code = endOf(last, session);
        if (args.rollout === true && last.version !== null)
          say(`Version ${last.version} is rolled out unless it was before: serin rollout ls --model ${last.model}`);
        return code;
      },
    ),
  },
};

const renamed = (text: string, name: string): string => `${JSON.stringify({ ...(JSON.parse(text) as object), name }, undefined, 2)}\n`;
