import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { CircleUserRound, ListChecks, LogOut, Monitor, Moon, Search, Sun } from 'lucide-react';
import { useState } from 'react';
import { api } from '../data/api.ts';
import { jobsQuery } from '../data/queries.ts';
import { useAction } from '../data/actions.ts';
import { useSession } from '../data/use-session.ts';
import { formatPercent, humanise, plural } from '../domain/format.ts';
import { isRunning } from '../domain/job-view.ts';
import { buttonClass, IconButton } from '../ui/button.tsx';
import { cn } from '../ui/cn.ts';
import { Menu, MenuChoice, MenuItem, MenuLabel, MenuSeparator } from '../ui/menu.tsx';
import { chooseTheme, readTheme, type Theme } from '../ui/theme.ts';
import { DemoMenu } from './demo-menu.tsx';
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
          aria-label="Search and commands"
          aria-keyshortcuts="Meta+K Control+K"
          className="inline-flex h-8 items-center gap-2 rounded-md border border-line bg-surface px-2.5 text-sm text-ink-3 hover:border-line-strong hover:text-ink md:w-52"
        >
          <Search className="size-3.5" aria-hidden />
          <span className="hidden md:inline">Search</span>
          <kbd className="ml-auto hidden font-sans text-2xs md:inline">⌘K</kbd>
        </button>
        <JobsButton />
        {demo && <DemoMenu />}
        <AccountMenu />
      </div>
    </header>
  );
}

/** The jobs tray: reachable from everywhere; what it opens is in the address. */
function JobsButton() {
  const { data: jobs = [] } = useQuery(jobsQuery);
  const running = jobs.filter(isRunning);
  const first = running[0];
  const label = running.length === 0 ? 'Jobs' : `Jobs, ${plural(running.length, 'running', 'running')}`;
  return (
    <Link to="." search={(before) => ({ ...before, jobs: 'all' })} aria-label={label} className={cn(buttonClass('plain'), 'relative overflow-hidden px-2.5')}>
      <ListChecks className="size-4 text-ink-2" aria-hidden />
      {first === undefined ? (
        <span className="hidden md:inline">Jobs</span>
      ) : (
        <>
          <span className="hidden max-w-40 truncate md:inline">{first.stage === '' ? humanise(first.status) : humanise(first.stage)}</span>
          <span className="text-ink-2">{formatPercent(first.fraction, 0)}</span>
          <span className="absolute inset-x-0 bottom-0 h-0.5 origin-left bg-canary transition-transform duration-300" style={{ transform: `scaleX(${first.fraction})` }} aria-hidden />
        </>
      )}
    </Link>
  );
}

function AccountMenu() {
  const session = useSession();
  const client = useQueryClient();
  const navigate = useNavigate();
  const [theme, setTheme] = useState<Theme>(readTheme);
  const signOut = useAction<undefined, 'signOut'>(
    () => api('signOut'),
    () => {
      client.clear();
      void navigate({ to: '/signin' });
    },
  );
  return (
    <Menu
      trigger={
        <IconButton label="Account and theme">
          <CircleUserRound className="size-4.5" strokeWidth={1.7} aria-hidden />
        </IconButton>
      }
    >
      <MenuLabel>
        <span className="font-medium text-ink">{session.name}</span>, {session.role} of {session.fleet}
      </MenuLabel>
      <MenuSeparator />
      <MenuChoice
        label="Theme"
        value={theme}
        onChange={(next) => {
          chooseTheme(next);
          setTheme(next);
        }}
        options={[
          { value: 'system', label: 'System', icon: <Monitor aria-hidden /> },
          { value: 'light', label: 'Light', icon: <Sun aria-hidden /> },
          { value: 'dark', label: 'Dark', icon: <Moon aria-hidden /> },
        ]}
      />
      <MenuSeparator />
      <MenuItem icon={<LogOut aria-hidden />} onSelect={() => signOut.mutate(undefined)}>
        Sign out
      </MenuItem>
    </Menu>
  );
}
