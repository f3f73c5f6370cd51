import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { Check, ChevronRight, Copy, Play } from 'lucide-react';
import { useEffect, useState } from 'react';
import { modelName, type ModelName } from '@serin/protocol/ids';
import { stageNames, type PipelineFile } from '@serin/protocol/pipeline';
import { api } from '../data/api.ts';
import { rememberJob, rememberRun, useAction } from '../data/actions.ts';
import { pipelineQuery, runsQuery } from '../data/data-queries.ts';
import { useRefusal } from '../data/use-session.ts';
import { humanise, plural } from '../domain/format.ts';
import { Button } from '../ui/button.tsx';
import { CopyLine } from '../ui/copy-line.tsx';
import { Empty, Fact, Facts, Page, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { showError } from '../ui/toasts.ts';
import { SerinError } from '@serin/protocol/errors';
import { StateMark } from '../ui/state-mark.tsx';
import { Ago } from '../ui/time.tsx';
import { LastRun } from './pipelines.tsx';
import { KeyFigure } from './run-parts.tsx';

const route = getRouteApi('/shell/pipelines/$name');

export function PipelinePage() {
  const { name } = route.useParams();
  const parsed = modelName.safeParse(name);
  const query = useQuery({ ...pipelineQuery(parsed.success ? parsed.data : modelName.parse('none')), enabled: parsed.success });
  const data = query.data;
  return (
    <Page
      name={name}
      title={
        <span className="flex flex-wrap items-baseline gap-x-2">
          <Link to="/pipelines" className="text-ink-3 hover:text-ink">
            Pipelines
          </Link>
          <ChevronRight className="size-4 self-center text-ink-3" aria-hidden />
          {name}
        </span>
      }
      note={data?.pipeline.description === '' ? undefined : data?.pipeline.description}
      actions={data !== undefined && <RunAgain file={data.file} />}
    >
      {!parsed.success || query.isError ? (
        <Panel>
          <Empty
            title="There is no pipeline by that name"
            action={
              <Link to="/pipelines" className="text-sm font-medium text-link hover:underline">
                See all pipelines
              </Link>
            }
          />
        </Panel>
      ) : data === undefined ? (
        <Skeleton className="h-72" />
      ) : (
        <div className="grid grid-cols-1 items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem] xl:grid-cols-[minmax(0,1fr)_25rem]">
          <div className="flex min-w-0 flex-col gap-5">
            <FileView file={data.file} />
          </div>
          <div className="flex min-w-0 flex-col gap-5 max-lg:order-first">
            <Panel aria-labelledby="last">
              <PanelHead id="last" title="Last run" note={plural(data.pipeline.runs, 'run')} />
              <div className="flex flex-col gap-4 p-4">
                <LastRun last={data.pipeline.last} />
                <Facts>
                  <Fact name="Trains">{humanise(data.pipeline.trainer)}</Fact>
                  <Fact name="Stages">{stageNames.filter((stage) => stage !== 'search' || data.file.search !== undefined).join(', ')}</Fact>
                  <Fact name="First run">
                    <Ago at={data.pipeline.createdAt} />
                  </Fact>
                </Facts>
                <div>
                  <p className="eyebrow mb-1">Run it from the command line</p>
                  <CopyLine label="command" text={`npm run serin -- pipeline run ${name}.json`} />
                  <p className="mt-1 text-xs text-ink-3">What has not changed is not done again; --fresh does every stage.</p>
                </div>
              </div>
            </Panel>
            <RecentRuns name={parsed.data} />
          </div>
        </div>
      )}
    </Page>
  );
}

/** Only what names no file beside itself can be run from here: those files are on somebody's desk. */
function RunAgain({ file }: { file: PipelineFile }) {
  const navigate = route.useNavigate();
  const denied = useRefusal('runPipeline');
  const onDesk = 'files' in file.ingest || file.validate.schema !== undefined;
  const run = useAction<undefined, 'runPipeline'>(
    () => api('runPipeline', { body: { file } }),
    ({ run: begun, job }, client) => {
      if (begun === null) {
        showError(new SerinError('NOT_FOUND', { detail: 'files that the pipeline names' }));
        return;
      }
      rememberRun(begun, client);
      if (job !== null) rememberJob(job, client);
      void navigate({ to: '/runs/$id', params: { id: begun.id } });
    },
  );
  return (
    <Button
      kind="primary"
      refusal={denied ?? (onDesk ? 'It names files beside itself: run it with the command, or push them as a dataset' : null)}
      busy={run.isPending}
      icon={<Play className="size-4" aria-hidden />}
      onClick={() => run.mutate(undefined)}
    >
      Run
    </Button>
  );
}

function FileView({ file }: { file: PipelineFile }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  const text = JSON.stringify(file, undefined, 2);
  return (
    <Panel aria-labelledby="file" className="min-w-0 overflow-hidden">
      <PanelHead id="file" title="The file" note="with everything that was left out filled in">
        <Button
          small
          icon={copied ? <Check className="size-3.5 text-ok" aria-hidden /> : <Copy className="size-3.5" aria-hidden />}
          onClick={() => void navigator.clipboard.writeText(`${text}\n`).then(() => setCopied(true))}
        >
          {copied ? 'Copied' : 'Copy'}
        </Button>
      </PanelHead>
      <pre tabIndex={0} role="region" aria-label="The file, scrollable" className="max-h-[42rem] overflow-auto p-4 font-mono text-xs leading-relaxed">
        <code>{text}</code>
      </pre>
    </Panel>
  );
}

const runsShown = 10;

function RecentRuns({ name }: { name: ModelName }) {
  const { data: runs = [] } = useQuery(runsQuery);
  const own = runs.filter(({ pipeline }) => pipeline === name);
  if (own.length === 0) return null;
  return (
    <Panel aria-labelledby="recent">
      <PanelHead id="recent" title="Runs of it">
        <Link to="/runs" search={{ pipeline: name }} className="text-xs font-medium text-link hover:underline">
          See all
        </Link>
      </PanelHead>
      <ul className="divide-y divide-line">
        {own.slice(0, runsShown).map((run) => (
          <li key={run.id} className="relative flex items-center gap-3 px-4 py-2 text-sm hover:bg-hover">
            <StateMark state={run.status} />
            <Link to="/runs/$id" params={{ id: run.id }} className="text-xs text-ink-2 after:absolute after:inset-0">
              <Ago at={run.createdAt} />
            </Link>
            <span className="ml-auto">
              <KeyFigure run={run} />
            </span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
