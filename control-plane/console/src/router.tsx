import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { SerinError } from '@serin/protocol/errors';
import { sessionQuery } from './data/queries.ts';
import {
  parseDataSearch,
  parseDatasetSearch,
  parseDatasetVersionSearch,
  parseDeviceSearch,
  parseDevicesSearch,
  parseDriftSearch,
  parseModelsSearch,
  parseRolloutsSearch,
  parseRunCompareSearch,
  parseRunSearch,
  parseRunsSearch,
  parseSettingsSearch,
  parseShellSearch,
  parseSignInSearch,
} from './domain/search.ts';
import { parseQuery, printQuery } from './domain/query-string.ts';
import { Fault, NotFound } from './shell/fault.tsx';
import { Shell } from './shell/shell.tsx';

const root = createRootRouteWithContext<{ client: QueryClient }>()({ component: Outlet, notFoundComponent: NotFound, errorComponent: Fault });

const signIn = createRoute({
  getParentRoute: () => root,
  path: 'signin',
  validateSearch: parseSignInSearch,
  component: lazyRouteComponent(() => import('./pages/sign-in.tsx'), 'SignInPage'),
});

const shell = createRoute({
  getParentRoute: () => root,
  id: 'shell',
  validateSearch: parseShellSearch,
  beforeLoad: async ({ context, location }) => {
    try {
      await context.client.ensureQueryData(sessionQuery);
    } catch (cause) {
      if (cause instanceof SerinError && (cause.code === 'NOT_SIGNED_IN' || cause.code === 'TOKEN_INVALID')) {
        throw redirect({ to: '/signin', search: location.href === '/' ? {} : { to: location.href }, replace: true });
      }
      throw cause;
    }
  },
  component: Shell,
  errorComponent: Fault,
  notFoundComponent: NotFound,
});

const overview = createRoute({ getParentRoute: () => shell, path: '/', component: lazyRouteComponent(() => import('./pages/overview.tsx'), 'OverviewPage') });
const devices = createRoute({
  getParentRoute: () => shell,
  path: 'devices',
  validateSearch: parseDevicesSearch,
  component: lazyRouteComponent(() => import('./pages/devices.tsx'), 'DevicesPage'),
});
const device = createRoute({
  getParentRoute: () => shell,
  path: 'devices/$id',
  validateSearch: parseDeviceSearch,
  component: lazyRouteComponent(() => import('./pages/device.tsx'), 'DevicePage'),
});
const models = createRoute({
  getParentRoute: () => shell,
  path: 'models',
  validateSearch: parseModelsSearch,
  component: lazyRouteComponent(() => import('./pages/models.tsx'), 'ModelsPage'),
});
const rollouts = createRoute({
  getParentRoute: () => shell,
  path: 'rollouts',
  validateSearch: parseRolloutsSearch,
  component: lazyRouteComponent(() => import('./pages/rollouts.tsx'), 'RolloutsPage'),
});
const rollout = createRoute({
  getParentRoute: () => shell,
  path: 'rollouts/$id',
  component: lazyRouteComponent(() => import('./pages/rollout.tsx'), 'RolloutPage'),
});
const drift = createRoute({
  getParentRoute: () => shell,
  path: 'drift',
  validateSearch: parseDriftSearch,
  component: lazyRouteComponent(() => import('./pages/drift.tsx'), 'DriftPage'),
});
const data = createRoute({
  getParentRoute: () => shell,
  path: 'data',
  validateSearch: parseDataSearch,
  component: lazyRouteComponent(() => import('./pages/data.tsx'), 'DataPage'),
});
const dataset = createRoute({
  getParentRoute: () => shell,
  path: 'data/$name',
  validateSearch: parseDatasetSearch,
  component: lazyRouteComponent(() => import('./pages/dataset.tsx'), 'DatasetPage'),
});
const datasetVersion = createRoute({
  getParentRoute: () => shell,
  path: 'data/$name/$version',
  validateSearch: parseDatasetVersionSearch,
  component: lazyRouteComponent(() => import('./pages/dataset-version.tsx'), 'DatasetVersionPage'),
});
const runs = createRoute({
  getParentRoute: () => shell,
  path: 'runs',
  validateSearch: parseRunsSearch,
  component: lazyRouteComponent(() => import('./pages/runs.tsx'), 'RunsPage'),
});
const run = createRoute({
  getParentRoute: () => shell,
  path: 'runs/$id',
  validateSearch: parseRunSearch,
  component: lazyRouteComponent(() => import('./pages/run.tsx'), 'RunPage'),
});
const runCompare = createRoute({
  getParentRoute: () => shell,
  path: 'runs/compare',
  validateSearch: parseRunCompareSearch,
  component: lazyRouteComponent(() => import('./pages/run-compare.tsx'), 'RunComparePage'),
});
const pipelines = createRoute({
  getParentRoute: () => shell,
  path: 'pipelines',
  component: lazyRouteComponent(() => import('./pages/pipelines.tsx'), 'PipelinesPage'),
});
const pipeline = createRoute({
  getParentRoute: () => shell,
  path: 'pipelines/$name',
  component: lazyRouteComponent(() => import('./pages/pipeline.tsx'), 'PipelinePage'),
});
const settings = createRoute({
  getParentRoute: () => shell,
  path: 'settings',
  validateSearch: parseSettingsSearch,
  component: lazyRouteComponent(() => import('./pages/settings.tsx'), 'SettingsPage'),
});

const about = [data, dataset, datasetVersion, runs, run, runCompare, pipelines, pipeline] as const;
const routeTree = root.addChildren([signIn, shell.addChildren([overview, devices, device, models, rollouts, rollout, drift, settings, ...about])]);

export function createConsoleRouter(client: QueryClient) {
  return createRouter({
    routeTree,
    context: { client },
    defaultPreload: 'intent',
    scrollRestoration: true,
    parseSearch: parseQuery,
    stringifySearch: printQuery,
  });
}

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createConsoleRouter>;
  }
}
