import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Plus, RefreshCw } from 'lucide-react';
import { lazy, Suspense, useState } from 'react';
import type { Source } from '@serin/protocol/api/datasets';
import type { ModelName } from '@serin/protocol/ids';
import { api } from '../data/api.ts';
import { rememberJob, useAction } from '../data/actions.ts';
import { sourcesQuery } from '../data/data-queries.ts';
import { keys } from '../data/keys.ts';
import { useRefusal } from '../data/use-session.ts';
import { formatFull, formatSpan, sentence } from '../domain/format.ts';
import { scheduleWords } from '../domain/schedule-words.ts';
import { sourceKindWords, sourcePlace } from '../domain/source-form.ts';
import { Badge } from '../ui/badge.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog, DialogActions, DialogBody } from '../ui/dialog.tsx';
import { Empty, Panel, PanelHead, Skeleton } from '../ui/panel.tsx';
import { StateMark } from '../ui/state-mark.tsx';
import { showDone } from '../ui/toasts.ts';
import { Ago } from '../ui/time.tsx';
import { useNow } from '../ui/use-now.ts';

const SourceForm = lazy(() => import('./source-form.tsx').then(({ SourceForm: form }) => ({ default: form })));

interface SourcesProps {
  /** Only those that feed this dataset. */
  dataset?: ModelName;
  /** The name of the source whose form is open, `new` for a new one; part of the address. */
  open: string | undefined;
  onOpen: (source: string | undefined) => void;
}

export function Sources({ dataset, open, onOpen }: SourcesProps) {
  const { data: sources } = useQuery(sourcesQuery);
  const refusal = useRefusal('setSource');
  const [removing, setRemoving] = useState<Source | null>(null);
  const shown = sources?.filter((source) => dataset === undefined || source.dataset === dataset);
  const changed = sources?.find(({ name }) => name === open);
  const isForm = refusal === null && open !== undefined && (open === 'new' || changed !== undefined);
  return (
    <Panel aria-labelledby="sources" className="min-w-0 overflow-hidden">
      <PanelHead id="sources" title="Sources" note={shown === undefined ? 'Loading…' : 'data that comes by itself'}>
        <Button small refusal={refusal} icon={<Plus className="size-3.5" aria-hidden />} onClick={() => onOpen('new')}>
          Declare a source
        </Button>
      </PanelHead>
      {shown === undefined && <Skeleton className="m-4 h-24" />}
      {shown?.length === 0 && (
        <Empty title="No source yet">
          A source reads a folder, a web address, a bucket or a database on a schedule; what it brings is checked like everything else.
        </Empty>
      )}
      <ul className="divide-y divide-line">
        {shown?.map((source) => (
          <SourceRow
            key={source.name}
            source={source}
            withDataset={dataset === undefined}
            onChange={() => onOpen(source.name)}
            onRemove={() => setRemoving(source)}
          />
        ))}
      </ul>
      <Suspense fallback={null}>{isForm && <SourceForm key={open} source={changed} dataset={dataset ?? ''} onClose={() => onOpen(undefined)} />}</Suspense>
      <RemoveDialog source={removing} onClose={() => setRemoving(null)} />
    </Panel>
  );
}

function SourceRow({ source, withDataset, onChange, onRemove }: { source: Source; withDataset: boolean; onChange: () => void; onRemove: () => void }) {
  const mayRead = useRefusal('readSource');
  const mayChange = useRefusal('setSource');
  const read = useAction<ModelName, 'readSource'>(
    (name) => api('readSource', { params: { name }, query: {} }),
    (job, client) => {
      rememberJob(job, client);
      showDone(`Reading ${source.name}`, 'What it brings is checked before it becomes a version.');
    },
  );
  return (
    <li
      className="grid gap-x-6 gap-y-2 px-4 py-3 lg:grid-cols-[minmax(0,1.2fr)_minmax(0,1fr)_minmax(0,1.2fr)_auto] lg:items-start"
      data-testid={`source-${source.name}`}
    >
      <div className="min-w-0">
        <p className="flex flex-wrap items-center gap-x-2 gap-y-1 text-sm">
          <span className="truncate font-medium">{source.name}</span>
          <Badge>{sourceKindWords[source.settings.kind]}</Badge>
          {!source.enabled && <Badge>Switched off</Badge>}
        </p>
        <p className="mt-0.5 truncate font-mono text-xs text-ink-3" title={sourcePlace(source.settings)}>
          {sourcePlace(source.settings)}
        </p>
        {withDataset && (
          <p className="mt-0.5 text-xs text-ink-3">
            {source.mode === 'append' ? 'adds to' : 'replaces'}{' '}
            <Link to="/data/$name" params={{ name: source.dataset }} className="text-link underline underline-offset-2">
              {source.dataset}
            </Link>
          </p>
        )}
      </div>
      <div className="min-w-0 text-sm">
        <p>{scheduleWords(source.schedule)}</p>
        <p className="text-xs text-ink-3">
          <NextRead source={source} />
        </p>
      </div>
      <div className="min-w-0 text-sm">
        {source.last === null ? (
          <p className="text-ink-3">Never read</p>
        ) : (
          <p className="flex items-start gap-2">
            <StateMark state={source.last.ok ? 'done' : 'failed'} className="mt-1" />
            <span className="min-w-0">
              {source.last.ok ? '' : <span className="font-medium text-bad">Failed: </span>}
              {sentence(source.last.words)}{' '}
              {source.last.version !== null && (
                <Link
                  to="/data/$name/$version"
                  params={{ name: source.dataset, version: String(source.last.version) }}
                  className="font-mono text-xs text-link hover:underline"
                >
                  v{source.last.version}
                </Link>
              )}
              <span className="block text-xs text-ink-3">
                <Ago at={source.lastReadAt} />
              </span>
            </span>
          </p>
        )}
      </div>
      <div className="flex flex-wrap gap-2">
        <Button small refusal={mayRead} busy={read.isPending} icon={<RefreshCw className="size-3.5" aria-hidden />} onClick={() => read.mutate(source.name)}>
          Read now<span className="sr-only"> {source.name}</span>
        </Button>
        {mayChange === null && (
          <>
            <Button small kind="quiet" onClick={onChange}>
              Change<span className="sr-only"> {source.name}</span>
            </Button>
            <Button small kind="quiet" onClick={onRemove}>
              Forget<span className="sr-only"> {source.name}</span>
            </Button>
          </>
        )}
      </div>
    </li>
  );
}

function NextRead({ source }: { source: Source }) {
  const now = useNow();
  if (!source.enabled) return 'Not while it is switched off';
  if (source.nextReadAt === null) return source.schedule === null ? 'It has no schedule' : 'Next read is not planned yet';
  const words = source.nextReadAt <= now ? 'is due' : `in ${formatSpan(source.nextReadAt - now)}`;
  return <time dateTime={new Date(source.nextReadAt).toISOString()} title={formatFull(source.nextReadAt)}>{`Next read ${words}`}</time>;
}

function RemoveDialog({ source, onClose }: { source: Source | null; onClose: () => void }) {
  const remove = useAction<ModelName, 'removeSource'>(
    (name) => api('removeSource', { params: { name } }),
    (_, client) => {
      void client.invalidateQueries({ queryKey: keys.sources });
      void client.invalidateQueries({ queryKey: keys.datasets });
      onClose();
    },
  );
  return (
    <Dialog open={source !== null} onClose={onClose} title={`Forget the source ${source?.name ?? ''}?`}>
      <DialogBody>
        <p className="text-sm">It is not read any more. The dataset {source?.dataset} keeps every version that it brought.</p>
      </DialogBody>
      <DialogActions>
        <Button onClick={onClose}>Keep it</Button>
        <Button kind="danger" busy={remove.isPending} onClick={() => source !== null && remove.mutate(source.name)}>
          Forget the source
        </Button>
      </DialogActions>
    </Dialog>
  );
}
