import { readBytes } from '../../data/records/input.ts';
import { readCsv } from '../../data/records/csv.ts';
import { noProblems, refuseProblems } from '../../data/problems.ts';
import { profileRecords } from '../../data/quality/profile.ts';
import { columnsApart, profileOptionsOf } from '../../data/quality/schema.ts';
import { summarise } from '../../data/quality/summary.ts';
import { validate } from '../../data/quality/validate.ts';
import { learnFrom, nowMs } from '../../data/testing/corruptions.ts';
import { drawTable, tableSpec } from '../../data/testing/tables.ts';

export interface Measured {
  readonly seconds: number;
  /** Of the processor: what else the machine does counts less. */
  readonly cpuSeconds: number;
  /** The most that was resident at any moment, the runtime itself among it. */
  readonly rssMb: number;
  readonly anomalies: number;
}

async function scan(file: string): Promise<number> {
  let lines = 0;
  for await (const bytes of readBytes(file, {})) {
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) lines += 1;
  }
  return lines;
}

async function read(file: string): Promise<number> {
  const problems = noProblems();
  let rows = 0;
  for await (const batch of readCsv(file, { problems })) rows += batch.rows;
  refuseProblems(problems);
  return rows;
}

/** Learnt from other orders of the same kind, before the clock runs. */
async function prepare(): Promise<(file: string) => Promise<number>> {
  const { schema, reference } = await learnFrom(drawTable('reference', 20_000));
  return async (file) => {
    const problems = noProblems();
    const state = await profileRecords(readCsv(file, { problems }), profileOptionsOf(schema));
    refuseProblems(problems);
    return validate(summarise(state, { label: tableSpec.label, apart: columnsApart(schema) }), schema, reference, { now: nowMs }).length;
  };
}

const [mode = '', file = ''] = process.argv.slice(2);
const work = mode === 'scan' ? scan : mode === 'read' ? read : await prepare();
const cpu = process.cpuUsage();
const begun = performance.now();
const anomalies = await work(file);
const seconds = (performance.now() - begun) / 1000;
const { user, system } = process.cpuUsage(cpu);
process.send?.({ seconds, cpuSeconds: (user + system) / 1e6, rssMb: process.resourceUsage().maxRSS / 1024, anomalies } satisfies Measured, () =>
  process.disconnect(),
);
