import { useSuspenseQuery } from '@tanstack/react-query';
import type { Session } from '@serin/protocol/api/resources';
import type { RouteName } from '@serin/protocol/api/routes';
import { refusalOf } from '../domain/access.ts';
import { sessionQuery } from './queries.ts';

export const useSession = (): Session => useSuspenseQuery(sessionQuery).data;

/** Null when the session may call the route; otherwise why not. */
export const useRefusal = (name: RouteName): string | null => refusalOf(useSession().role, name);
