import type { QueryClient } from '@tanstack/react-query';
import { createRootRouteWithContext, createRoute, createRouter, lazyRouteComponent, Outlet, redirect } from '@tanstack/react-router';
import { SerinError } from '@serin/protocol/errors';
import { sessionQuery } from './data/queries.ts';
import {
  parseDeviceSearch,
  parseDevicesSearch,
  parseDriftSearch,
  parseModelsSearch,
  parseRolloutsSearch,
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
const settings = createRoute({
  getParentRoute: () => shell,
  path: 'settings',
  validateSearch: parseSettingsSearch,
  component: lazyRouteComponent(() => import('./pages/settings.tsx'), 'SettingsPage'),
});

const routeTree = root.addChildren([signIn, shell.addChildren([overview, devices, device, models, rollouts, rollout, drift, settings])]);

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
