import { useQuery } from '@tanstack/react-query';
import { Link, useLocation } from '@tanstack/react-router';
import { Activity, Boxes, Cpu, Database, FlaskConical, LayoutGrid, Settings, Waypoints } from 'lucide-react';
import type { Overview } from '@serin/protocol/api/resources';
import { overviewQuery } from '../data/queries.ts';
import { useSession } from '../data/use-session.ts';
import { cn } from '../ui/cn.ts';
import { Mark } from './mark.tsx';

const places = [
  { to: '/', label: 'Overview', short: 'Overview', icon: LayoutGrid, exact: true },
  { to: '/devices', label: 'Devices', short: 'Devices', icon: Cpu, exact: false },
  { to: '/data', label: 'Data', short: 'Data', icon: Database, exact: false },
  { to: '/runs', label: 'Runs', short: 'Runs', icon: FlaskConical, exact: false },
  { to: '/models', label: 'Models', short: 'Models', icon: Boxes, exact: false },
  { to: '/rollouts', label: 'Rollouts', short: 'Rollouts', icon: Waypoints, exact: false },
  { to: '/drift', label: 'Drift & samples', short: 'Drift', icon: Activity, exact: false },
  { to: '/settings', label: 'Settings', short: 'Settings', icon: Settings, exact: false },
] as const;

/** A thumb needs room: settings are in the account's menu there. */
const placesInReach = places.filter(({ to }) => to !== '/settings');

function countAt(to: (typeof places)[number]['to'], overview: Overview | undefined): { count: number; words: string; alarming: boolean } | null {
  if (overview === undefined) return null;
  if (to === '/drift' && overview.openAlerts > 0) return { count: overview.openAlerts, words: 'open alerts', alarming: true };
  if (to === '/rollouts' && overview.activeRollouts > 0) return { count: overview.activeRollouts, words: 'active rollouts', alarming: false };
  if (to === '/data') {
    const held = overview.attention.filter(({ kind }) => kind === 'dataset' || kind === 'source').length;
    return held === 0 ? null : { count: held, words: 'things need attention', alarming: true };
  }
  return null;
}

/** Pipelines are the other half of the runs' page. */
const useAlso = (): string | null => useLocation({ select: ({ pathname }) => (pathname.startsWith('/pipelines') ? '/runs' : null) });

export function SideBar() {
  const { fleet } = useSession();
  const { data: overview } = useQuery(overviewQuery);
  const also = useAlso();
  return (
    <aside className="fixed inset-y-0 left-0 z-20 hidden w-14 flex-col border-r border-line bg-page sm:flex xl:w-56">
      <div className="flex h-13 items-center gap-2.5 px-3.5 xl:px-4">
        <Mark className="size-7" />
        <div className="hidden min-w-0 leading-tight xl:block">
          <div className="text-sm font-semibold tracking-[-0.01em]">Serin</div>
          <div className="truncate text-2xs text-ink-3">{fleet}</div>
        </div>
      </div>
      <nav aria-label="Pages" className="flex flex-col gap-0.5 p-2 xl:px-2.5">
        {places.map(({ to, label, icon: Icon, exact }) => {
          const count = countAt(to, overview);
          return (
            <Link
              key={to}
              to={to}
              activeOptions={{ exact, includeSearch: false }}
              aria-current={to === also ? 'page' : undefined}
              title={label}
              className="relative flex h-8 items-center gap-2.5 rounded-md px-2.5 text-sm font-medium text-ink-2 hover:bg-hover hover:text-ink aria-[current=page]:bg-hover aria-[current=page]:text-ink"
            >
              <Icon className="size-4 shrink-0" strokeWidth={1.8} aria-hidden />
              <span className="max-xl:sr-only">{label}</span>
              {count !== null && <Count {...count} className="absolute top-1 right-1 xl:static xl:ml-auto" />}
            </Link>
          );
        })}
      </nav>
      <p className="mt-auto hidden flex-col gap-2 px-5 py-4 text-2xs text-ink-3 xl:flex">
        <a href="/web/" className="hover:text-ink">
          Run it in this browser
        </a>
        <a href="/docs" className="hover:text-ink">
          API reference
        </a>
      </p>
    </aside>
  );
}

/** On small screens the same places are in reach of a thumb. */
export function BottomBar() {
  const { data: overview } = useQuery(overviewQuery);
  const also = useAlso();
  return (
    <nav aria-label="Pages" className="fixed inset-x-0 bottom-0 z-20 grid h-16 grid-cols-7 border-t border-line bg-page pb-1 sm:hidden">
      {placesInReach.map(({ to, short, icon: Icon, exact }) => {
        const count = countAt(to, overview);
        return (
          <Link
            key={to}
            to={to}
            activeOptions={{ exact, includeSearch: false }}
            aria-current={to === also ? 'page' : undefined}
            className="relative flex flex-col items-center justify-center gap-1 text-[0.625rem] font-medium text-ink-3 aria-[current=page]:text-ink"
          >
            <Icon className="size-5" strokeWidth={1.7} aria-hidden />
            {short}
            {count !== null && <Count {...count} className="absolute top-1.5 left-1/2 ml-1.5" />}
          </Link>
        );
      })}
    </nav>
  );
}

function Count({ count, words, alarming, className }: { count: number; words: string; alarming: boolean; className?: string }) {
  return (
    <span
      className={cn(
        'inline-flex h-4 min-w-4 items-center justify-center rounded-full px-1 text-[0.625rem] leading-none font-semibold',
        alarming ? 'bg-warn-soft text-warn' : 'bg-sunken text-ink-2',
        className,
      )}
    >
      {count}
      <span className="sr-only"> {words}</span>
    </span>
  );
}
