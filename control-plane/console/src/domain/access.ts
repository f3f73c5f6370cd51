import type { Role } from '@serin/protocol/api/resources';
import { routes, type RouteName } from '@serin/protocol/api/routes';

const rank = { open: 0, viewer: 1, operator: 2, admin: 3 } as const;

/** The route table decides what a role may press, so buttons and server cannot disagree. */
export function mayCall(role: Role, name: RouteName): boolean {
  return rank[role] >= rank[routes[name].access];
}

/** Null when allowed; otherwise the sentence that a disabled button shows. */
export function refusalOf(role: Role, name: RouteName): string | null {
  if (mayCall(role, name)) return null;
  return `Needs the role ${routes[name].access}; you are signed in as ${role}`;
}
