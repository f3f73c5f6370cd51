import { sql, type SQL } from 'drizzle-orm';
import { errorCatalogue, isErrorCode } from '@serin/protocol/errors';
import type { UpdateOutcome } from '@serin/protocol/messages/reported';
import { desired, devices } from '../store/schema.ts';
import { selectRows, type Db } from '../store/store.ts';

export interface FailedOrder {
  id: string;
  model: string;
  version: string;
  outcome: Exclude<UpdateOutcome, 'COMMITTED'>;
  code: string | null;
  reported_at: string | number | null;
}

/** A device refused or failed the version it is still wanted to run; an order since withdrawn is history. */
const failedOrders: SQL = sql`${desired}
  cross join lateral jsonb_array_elements(${desired.models}) as wanted
  cross join lateral jsonb_array_elements(coalesce(${devices.reported}->'models', '[]'::jsonb)) as seen
  where ${desired.device} = ${devices.id} and seen->>'model' = wanted->>'model' and seen->>'phase' = 'IDLE'
    and seen->'last'->>'version' = wanted->>'version' and seen->'last'->>'outcome' <> 'COMMITTED'
    and seen->'active'->>'version' is distinct from wanted->>'version'`;

export const failsItsOrder: SQL = sql`exists (select 1 from ${failedOrders})`;

export function listFailedOrders(db: Db, limit: number): Promise<FailedOrder[]> {
  return selectRows<FailedOrder>(
    db,
    sql`select ${devices.id} as id, failed.* from ${devices} cross join lateral (
          select wanted->>'model' as model, wanted->>'version' as version, seen->'last'->>'outcome' as outcome, seen->'last'->>'code' as code,
                 ${devices.reportedAt} as reported_at
          from ${failedOrders}) as failed
        where ${devices.state} = 'ACTIVE' order by ${devices.id} limit ${limit}`,
  );
}

const verbs = { REJECTED: 'refused', FAILED: 'could not install', ROLLED_BACK: 'went back from' } as const;

export function describeFailedOrder({ id, model, version, outcome, code }: Omit<FailedOrder, 'reported_at'>): string {
  const why = code === null ? '' : `: ${isErrorCode(code) ? errorCatalogue[code].message.replace(/^[A-Z](?=[a-z ])/, (letter) => letter.toLowerCase()) : code}`;
  return `${id} ${verbs[outcome]} ${model} version ${version}, which it is wanted to run${why}`;
}
