import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';

import { seededRandom } from '@serin/inference/random';
import { columnStatistic, confidenceStatistic } from '@serin/inference/records';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import { statisticsPerWindowMax } from '@serin/protocol/limits';

import { runIn, tablePipeline, workshop } from '../testing/data.ts';

test('of more columns than a window has room for those that matter are watched, with the answer; a column with gaps among them', async () => {
  const folder = await workshop();
  const random = seededRandom('wide');
  const noise = Array.from({ length: 80 }, (_, index) => `noise_${index}`);
  const lines = Array.from({ length: 700 }, (_, index) => {
    const load = random.normal();
    const isGap = random.uniform() < 0.1;
    const stays = load + 0.3 * random.normal() > 0 ? 'yes' : 'no';
    return [index, ...noise.map(() => random.normal().toFixed(3)), isGap ? '' : load.toFixed(3), stays].join(',');
  });
  await writeFile(path.join(folder, 'customers.csv'), `${['id', ...noise, 'load', 'stays'].join(',')}\n${lines.join('\n')}\n`);
  const spec = { kind: 'table', label: 'stays', id: 'id' };
  const { version, report } = await runIn(
    folder,
    tablePipeline({
      ingest: { files: ['customers.csv'], spec },
      train: { kind: 'trees', trees: 5, leaves: 4 },
      evaluate: { slices: [], repeats: 100 },
      gate: { beatBaseline: false },
    }),
  );
  const file = version?.files.find(({ role }) => role === 'profile');
  expect(file, JSON.stringify(report.gate ?? report.log)).toBeDefined();
  const { statistics, classConfidence, calibration } = profileSchema.parse(JSON.parse(new TextDecoder().decode(file?.bytes)));
  const names = statistics.map(({ name }) => name);
  expect(names).toHaveLength(statisticsPerWindowMax);
  expect(names[0]).toBe(columnStatistic('load'));
  expect(names).toContain(confidenceStatistic);
  expect(statistics[0]?.counts.at(-1)).toBeGreaterThan(0);
  expect(statistics[0]?.mean).toBeGreaterThan(-1);
  // Two classes by tenths, and how right they were, of every record of the test part.
  expect(classConfidence).toHaveLength(20);
  const answered = classConfidence?.reduce((sum, count) => sum + count, 0);
  expect(answered).toBeGreaterThan(80);
  for (const { nullPsi } of statistics) expect(nullPsi).toHaveLength(400);
  expect(calibration?.bins.reduce((sum, { count }) => sum + count, 0)).toBe(answered);
});
