import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Outlet, useNavigate, useSearch } from '@tanstack/react-router';
import { lazy, Suspense, useEffect, useState } from 'react';
import { SerinError } from '@serin/protocol/errors';
import { sessionQuery } from '../data/queries.ts';
import { followEvents } from '../live/event-source.ts';
import { Skeleton } from '../ui/panel.tsx';
import { Toaster } from '../ui/toaster.tsx';
import { popupLayerId } from '../ui/popup-layer.ts';
import { ConnectionBanner } from './freshness.tsx';
import { BottomBar, SideBar } from './navigation.tsx';
import { TopBar } from './top-bar.tsx';

const JobsDrawer = lazy(() => import('./jobs-drawer.tsx').then(({ JobsDrawer: drawer }) => ({ default: drawer })));
const Palette = lazy(() => import('./palette.tsx').then(({ Palette: palette }) => ({ default: palette })));

/** Everything around the pages, and the one event stream behind them. */
export function Shell() {
  const client = useQueryClient();
  const navigate = useNavigate();
  const session = useQuery(sessionQuery);
  const { jobs } = useSearch({ from: '/shell' });
  const [palette, setPalette] = useState(false);

  useEffect(() => followEvents(client), [client]);

  const signedOut = session.error instanceof SerinError && (session.error.code === 'NOT_SIGNED_IN' || session.error.code === 'TOKEN_INVALID');
  useEffect(() => {
    if (signedOut) void navigate({ to: '/signin', search: { to: globalThis.location.pathname + globalThis.location.search } });
  }, [signedOut, navigate]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (event.key.toLowerCase() !== 'k' || !(event.metaKey || event.ctrlKey)) return;
      event.preventDefault();
      setPalette((open) => !open);
    };
    globalThis.addEventListener('keydown', onKey);
    return () => globalThis.removeEventListener('keydown', onKey);
  }, []);

  return (
    <div className="min-h-dvh pb-16 sm:pb-0 sm:pl-14 xl:pl-56">
      <a href="#main" className="sr-only z-50 rounded-md bg-primary px-3 py-2 text-on-primary focus:not-sr-only focus:fixed focus:top-2 focus:left-2">
        Skip to the content
      </a>
      <SideBar />
      <TopBar onSearch={() => setPalette(true)} />
      <ConnectionBanner />
      <main id="main" tabIndex={-1} className="outline-none">
        <Suspense fallback={<PageSkeleton />}>
          <Outlet />
        </Suspense>
      </main>
      <BottomBar />
      <Toaster />
      <section id={popupLayerId} aria-label="Menus and hints" />
      <Suspense fallback={null}>
        {jobs !== undefined && <JobsDrawer focus={jobs} />}
        {palette && <Palette onClose={() => setPalette(false)} />}
      </Suspense>
    </div>
  );
}

function PageSkeleton() {
  return (
    <div className="mx-auto flex max-w-[92rem] flex-col gap-5 px-4 py-5 sm:px-6 lg:px-8 lg:py-7" aria-busy>
      <Skeleton className="h-7 w-40" />
      <Skeleton className="h-24" />
      <Skeleton className="h-72" />
    </div>
  );
}
