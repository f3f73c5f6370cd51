import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { CircleUserRound, FlaskConical, ListChecks, Search } from 'lucide-react';
import { lazy } from 'react';
import { jobsQuery } from '../data/queries.ts';
import { useRefusal, useSession } from '../data/use-session.ts';
import { formatPercent, humanise } from '../domain/format.ts';
import { isRunning } from '../domain/job-view.ts';
import { Button, buttonClass, IconButton } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { MenuButton } from '../ui/menu-button.tsx';
import { Freshness } from './freshness.tsx';
import { Mark } from './mark.tsx';

export function TopBar({ onSearch }: { onSearch: () => void }) {
  const { demo } = useSession();
  return (
    <header className="sticky top-0 z-10 flex h-13 items-center gap-2 border-b border-line bg-page/92 px-4 backdrop-blur-sm sm:px-6 lg:px-8">
      <Link to="/" aria-label="Overview" className="mr-1 sm:hidden">
        <Mark className="size-7" />
      </Link>
      <div className="hidden min-w-0 sm:block">
        <Freshness />
      </div>
      <div className="ml-auto flex items-center gap-1.5">
        <button
          type="button"
          onClick={onSearch}
          aria-keyshortcuts="Meta+K Control+K"
          className="inline-flex h-8 items-center gap-2 rounded-md border border-line bg-surface px-2.5 text-sm text-ink-3 hover:border-line-strong hover:text-ink md:w-52"
        >
          <Search className="size-3.5" aria-hidden />
          <span className="max-md:sr-only">Search</span>
          <kbd aria-hidden className="ml-auto hidden font-sans text-2xs md:inline">
            ⌘K
          </kbd>
        </button>
        <JobsButton />
        {demo && <DemoButton />}
        <AccountButton />
      </div>
    </header>
  );
}

/** The jobs tray: reachable from everywhere; what it opens is in the address. */
function JobsButton() {
  const { data: jobs = [] } = useQuery(jobsQuery);
  const running = jobs.filter(isRunning);
  const first = running[0];
  return (
    <Link to="." search={(before) => ({ ...before, jobs: 'all' })} className={cn(buttonClass('plain'), 'relative overflow-hidden px-2.5')}>
      <ListChecks className="size-4 text-ink-2" aria-hidden />
      {first === undefined ? (
        <span className="max-md:sr-only">Jobs</span>
      ) : (
        <>
          <span className="sr-only">Jobs, {running.length} running: </span>
          <span className="hidden max-w-40 truncate md:inline">{first.stage === '' ? humanise(first.status) : humanise(first.stage)}</span>
          <span className="text-ink-2">{formatPercent(first.fraction, 0)}</span>
          <span
            className="absolute inset-x-0 bottom-0 h-0.5 origin-left bg-canary transition-transform duration-300"
            style={{ transform: `scaleX(${first.fraction})` }}
            aria-hidden
          />
        </>
      )}
    </Link>
  );
}

const loadAccountMenu = () => import('./account-menu.tsx');
const AccountMenu = lazy(loadAccountMenu);
const loadDemoMenu = () => import('./demo-menu.tsx');
const DemoMenu = lazy(loadDemoMenu);

function AccountButton() {
  return (
    <MenuButton
      preload={loadAccountMenu}
      menu={AccountMenu}
      trigger={
        <IconButton label="Account and theme">
          <CircleUserRound className="size-4.5" strokeWidth={1.7} aria-hidden />
        </IconButton>
      }
    />
  );
}

/** Only where the server runs the demo: makes happen what the product is there to catch. */
function DemoButton() {
  const refusal = useRefusal('demoPublish');
  const trigger = (
    <Button refusal={refusal} icon={<FlaskConical className="size-4 text-ink-2" aria-hidden />} className="px-2.5">
      <span className="max-md:sr-only">Demo</span>
    </Button>
  );
  return refusal === null ? <MenuButton preload={loadDemoMenu} menu={DemoMenu} trigger={trigger} /> : trigger;
}
