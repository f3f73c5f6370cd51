import { eq } from 'drizzle-orm';
import { environmentDiff, type DeviceFacts } from '@serin/models/runs/comparison';
import type { Environment, EnvironmentReport } from '@serin/protocol/api/runs';
import { devices } from '../store/schema.ts';
import type { Db } from '../store/store.ts';

/** The environment of a run beside what the devices of the fleet say of themselves. */
export async function reportEnvironment(db: Db, environment: Environment): Promise<EnvironmentReport> {
  const rows = await db.select({ hello: devices.hello }).from(devices).where(eq(devices.state, 'ACTIVE'));
  const facts = rows.map(({ hello: { agent, runtime, os, arch, cpu, cpuFlags } }): DeviceFacts => ({ agent, runtime, os, arch, cpu, cpuFlags }));
  return environmentDiff(environment, facts);
}
