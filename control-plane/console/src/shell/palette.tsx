import { Dialog as Base } from '@base-ui/react/dialog';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { Activity, Boxes, Cpu, Database, FlaskConical, LayoutGrid, ListChecks, Plus, Search, Settings, SunMoon, Waypoints, Workflow } from 'lucide-react';
import { useId, useState, type ReactNode } from 'react';
import { datasetsQuery, pipelinesQuery, runsQuery } from '../data/data-queries.ts';
import { alertsQuery, devicesQuery, modelsQuery, rolloutsQuery } from '../data/queries.ts';
import { formatDate } from '../domain/format.ts';
import { rankEntries } from '../domain/palette-rank.ts';
import { cn } from '../ui/cn.ts';
import { chooseTheme, readTheme } from '../ui/theme.ts';

interface Entry {
  id: string;
  label: string;
  note: string;
  icon: ReactNode;
  run: () => void;
}

const shownMost = 12;
const runsInReach = 100;

/** Everything by name: pages, devices, data, runs, models, rollouts and the few commands that need no form. */
export function Palette({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState('');
  const [marked, setMarked] = useState(0);
  const listId = useId();
  const entries = rankEntries(useEntries(), query).slice(0, shownMost);
  const at = Math.min(marked, Math.max(0, entries.length - 1));
  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return;
    onClose();
    entry.run();
  };
  return (
    <Base.Root open onOpenChange={(open) => !open && onClose()}>
      <Base.Portal>
        <Base.Backdrop className="fade fixed inset-0 z-30 bg-scrim" />
        <Base.Popup className="pop fixed top-[14vh] left-1/2 z-40 w-[calc(100vw-2rem)] max-w-xl -translate-x-1/2 overflow-hidden rounded-xl bg-raised shadow-float outline-none">
          <Base.Title className="sr-only">Search and commands</Base.Title>
          <div className="flex items-center gap-3 border-b border-line px-4">
            <Search className="size-4 text-ink-3" aria-hidden />
            <input
              role="combobox"
              aria-expanded
              aria-controls={listId}
              aria-activedescendant={entries[at] === undefined ? undefined : `${listId}-${at}`}
              aria-label="Search devices, data, runs, models, rollouts and commands"
              placeholder="Search devices, data, runs, rollouts…"
              value={query}
              onChange={(event) => {
                setQuery(event.target.value);
                setMarked(0);
              }}
              onKeyDown={(event) => {
                const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
                if (step !== 0) {
                  event.preventDefault();
                  setMarked((at + step + entries.length) % Math.max(1, entries.length));
                } else if (event.key === 'Enter') {
                  event.preventDefault();
                  run(entries[at]);
                }
              }}
              className="h-12 flex-1 bg-transparent text-base outline-none placeholder:text-ink-3"
            />
          </div>
          <ul id={listId} role="listbox" aria-label="Results" className="max-h-[22rem] overflow-y-auto p-1.5">
            {entries.map((entry, index) => (
              <li
                key={entry.id}
                id={`${listId}-${index}`}
                role="option"
                aria-selected={index === at}
                onPointerMove={() => setMarked(index)}
                onClick={() => run(entry)}
                className={cn(
                  'flex cursor-default items-center gap-3 rounded-md px-3 py-2 text-sm [&>svg]:size-4 [&>svg]:text-ink-3',
                  index === at && 'bg-hover',
                )}
              >
                {entry.icon}
                <span className="min-w-0 truncate">{entry.label}</span>
                <span className="ml-auto shrink-0 text-xs text-ink-3">{entry.note}</span>
              </li>
            ))}
          </ul>
          {entries.length === 0 && <p className="px-4 pb-5 text-center text-sm text-ink-3">Nothing by that name.</p>}
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

function useEntries(): Entry[] {
  const navigate = useNavigate();
  const { data: devices = [] } = useQuery(devicesQuery);
  const { data: rollouts = [] } = useQuery(rolloutsQuery);
  const { data: models = [] } = useQuery(modelsQuery);
  const { data: alerts = [] } = useQuery(alertsQuery);
  const { data: datasets = [] } = useQuery(datasetsQuery);
  const { data: runs = [] } = useQuery(runsQuery);
  const { data: pipelines = [] } = useQuery(pipelinesQuery);
  const page = (id: string, label: string, icon: ReactNode, run: () => unknown): Entry => ({ id, label, note: 'Page', icon, run: () => void run() });
  return [
    page('page overview', 'Overview', <LayoutGrid aria-hidden />, () => navigate({ to: '/' })),
    page('page devices', 'Devices', <Cpu aria-hidden />, () => navigate({ to: '/devices' })),
    page('page models', 'Models', <Boxes aria-hidden />, () => navigate({ to: '/models' })),
    page('page rollouts', 'Rollouts', <Waypoints aria-hidden />, () => navigate({ to: '/rollouts' })),
    page('page data', 'Data', <Database aria-hidden />, () => navigate({ to: '/data' })),
    page('page runs', 'Runs', <FlaskConical aria-hidden />, () => navigate({ to: '/runs' })),
    page('page pipelines', 'Pipelines', <Workflow aria-hidden />, () => navigate({ to: '/pipelines' })),
    page('page drift', 'Drift & samples', <Activity aria-hidden />, () => navigate({ to: '/drift' })),
    page('page settings', 'Settings', <Settings aria-hidden />, () => navigate({ to: '/settings' })),
    {
      id: 'jobs',
      label: 'Show jobs',
      note: 'Command',
      icon: <ListChecks aria-hidden />,
      run: () => void navigate({ to: '.', search: (before) => ({ ...before, jobs: 'all' }) }),
    },
    {
      id: 'enrol',
      label: 'Enrol a device',
      note: 'Command',
      icon: <Plus aria-hidden />,
      run: () => void navigate({ to: '/settings', search: { tab: 'enrol' } }),
    },
    {
      id: 'source',
      label: 'Declare a source of data',
      note: 'Command',
      icon: <Plus aria-hidden />,
      run: () => void navigate({ to: '/data', search: { source: 'new' } }),
    },
    {
      id: 'theme',
      label: 'Switch between light and dark',
      note: 'Command',
      icon: <SunMoon aria-hidden />,
      run: () => {
        const theme = readTheme();
        const dark = theme === 'dark' || (theme === 'system' && globalThis.matchMedia('(prefers-color-scheme: dark)').matches);
        chooseTheme(dark ? 'light' : 'dark');
      },
    },
    ...alerts
      .filter(({ state }) => state === 'OPEN')
      .map(({ id, words }): Entry => ({
        id: `alert ${id}`,
        label: words,
        note: 'Open alert',
        icon: <Activity aria-hidden />,
        run: () => void navigate({ to: '/drift', search: { alert: id } }),
      })),
    ...models.map(({ name }): Entry => ({
      id: `model ${name}`,
      label: name,
      note: 'Model',
      icon: <Boxes aria-hidden />,
      run: () => void navigate({ to: '/models', search: { model: name } }),
    })),
    ...datasets.map(({ name, quarantined }): Entry => ({
      id: `dataset ${name}`,
      label: name,
      note: quarantined > 0 ? 'Dataset, in quarantine' : 'Dataset',
      icon: <Database aria-hidden />,
      run: () => void navigate({ to: '/data/$name', params: { name } }),
    })),
    ...pipelines.map(({ name }): Entry => ({
      id: `pipeline ${name}`,
      label: name,
      note: 'Pipeline',
      icon: <Workflow aria-hidden />,
      run: () => void navigate({ to: '/pipelines/$name', params: { name } }),
    })),
    ...runs.slice(0, runsInReach).map(({ id, model, createdAt }): Entry => ({
      id: `run ${id}`,
      label: `Run of ${model}, ${formatDate(createdAt)}`,
      note: 'Run',
      icon: <FlaskConical aria-hidden />,
      run: () => void navigate({ to: '/runs/$id', params: { id } }),
    })),
    ...rollouts.map(({ id, model, version }): Entry => ({
      id: `rollout ${id}`,
      label: `Rollout of ${model} v${version}`,
      note: 'Rollout',
      icon: <Waypoints aria-hidden />,
      run: () => void navigate({ to: '/rollouts/$id', params: { id } }),
    })),
    ...devices.map(({ id, site }): Entry => ({
      id: `device ${id}`,
      label: id,
      note: site,
      icon: <Cpu aria-hidden />,
      run: () => void navigate({ to: '/devices/$id', params: { id } }),
    })),
  ];
}
