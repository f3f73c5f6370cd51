import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { prepareRow, type DataRecord } from '@serin/inference/table/rows';
import { decodeTrees } from '@serin/inference/trees/encode';
import { createExplainer } from '@serin/inference/trees/explain';
import { predictTrees, rowMajor } from '@serin/inference/trees/predict';
import { openSession, runtimeTensor, type Session } from '@serin/models/onnx/session';
import { preprocessing as preprocessingSchema, type TablePreprocessing } from '@serin/protocol/bundle/preprocessing';
import { profile as profileSchema } from '@serin/protocol/bundle/profile';
import { freePort } from './harness/parts.ts';
import {
  ask,
  churn,
  churnFile,
  churnPipeline,
  churnRecords,
  fetchBundle,
  makeVersion,
  post,
  postFile,
  postPipeline,
  posts,
  rollOut,
  type Cell,
  type PredictReply,
} from './harness/records.ts';
import { startStack, type Stack } from './harness/stack.ts';

const json = (bytes: Uint8Array): unknown => JSON.parse(new TextDecoder().decode(bytes));
const device = 'kiosk-1';
let stack: Stack;
let port: number;
let session: Session | undefined;

beforeAll(async () => {
  stack = await startStack('embedded');
  port = await freePort();
  await stack.startAgent(device, { httpPort: port });
  await makeVersion(stack, churnPipeline, { 'customers.csv': churnFile(1500) });
  await rollOut(stack, churn, 1);
}, 240_000);
afterAll(async () => {
  await session?.release();
  await stack?.stop();
}, 60_000);

const windowsOf = async (model: string) => {
  const { items } = await stack.api('listDeviceWindows', { params: { id: (await stack.device(device)).id }, query: { limit: '5000' } });
  return items.filter((window) => window.model === model);
};
const answered = async (model: string): Promise<number> => (await windowsOf(model)).reduce((sum, { run }) => sum + run, 0);

/** What the published bundle says, by the runtime and by its trees. */
async function openTruth() {
  const { read } = await fetchBundle(stack, churn);
  const preprocessing = preprocessingSchema.parse(json(await read('preprocessing'))) as TablePreprocessing;
  const trees = decodeTrees(await read('explainer'));
  session = await openSession(await read('model'));
  const running = session;
  return {
    preprocessing,
    profile: profileSchema.parse(json(await read('profile'))),
    expected: createExplainer(trees).expected[0] ?? Number.NaN,
    async ofRuntime(record: DataRecord): Promise<number[]> {
      const data = prepareRow(preprocessing, record);
      const { probabilities } = await running.run({ features: runtimeTensor('float32', data, [1, data.length]) });
      return Array.from(probabilities?.data as Float32Array);
    },
    ofTrees: (record: DataRecord): number[] => {
      const row = prepareRow(preprocessing, record);
      return Array.from(predictTrees(trees, rowMajor(row, row.length), 1));
    },
  };
}

test('a pipeline makes a version that a device serves; its answers are those of the bundle, and their reasons add up', async () => {
  const truth = await openTruth();
  const labels = (await fetchBundle(stack, churn)).content.labels;
  const records = [...churnRecords(20, 77), {}, { plan: 'never seen', tenure_months: '12' }];
  for (const record of records) {
    const reply = await ask(port, `${churn}?reasons=100`, record);
    const [byRuntime, byTrees] = [await truth.ofRuntime(record), truth.ofTrees(record)];
    reply.probabilities.forEach((share, place) => {
      expect(share).toBeCloseTo(byRuntime[place] ?? Number.NaN, 6);
      expect(share).toBeCloseTo(byTrees[place] ?? Number.NaN, 5);
    });
    const likely = reply.probabilities.indexOf(Math.max(...reply.probabilities));
    expect(reply).toMatchObject({ prediction: labels[likely], confidence: reply.probabilities[likely], model: churn, version: 1 });
    // In favour of the answer; together with what the trees say of nobody in particular it is the margin of the answer.
    const sign = likely === 0 ? -1 : 1;
    const sum = (reply.reasons ?? []).reduce((total, { contribution }) => total + contribution, sign * truth.expected);
    expect(sum).toBeCloseTo(Math.log(reply.confidence / (1 - reply.confidence)), 3);
    for (const { name, given } of reply.reasons ?? []) {
      const cell = (record as Record<string, Cell>)[name];
      expect(given, name).toBe(cell === undefined || cell === 'never seen' ? undefined : String(cell));
    }
  }
  const [nobody, unseen] = [await ask(port, churn, { plan: null }), await ask(port, churn, { plan: 'never seen' })];
  expect(unseen.probabilities).toEqual(nobody.probabilities);
  expect(nobody).not.toHaveProperty('reasons');
  const sent = records.length + 2;
  await stack.feed.until('every answer is counted in a window of the server', async () => (await answered(churn)) === sent);
  expect((await windowsOf(churn)).every(({ version, bad }) => version === 1 && bad === 0)).toBe(true);
});

test('what is no record is refused under its code and counted nowhere', async () => {
  const before = await answered(churn);
  const refusals: [path: string, body: string, status: number, code: string, detail: RegExp][] = [
    [churn, '{"tenure_months": "soon", "monthly_fee": []}', 400, 'BAD_REQUEST', /tenure_months is "soon"; monthly_fee is a list/],
    [churn, '[1, 2]', 400, 'BAD_REQUEST', /one object/],
    [churn, '{"tenure_months": 1', 400, 'BAD_REQUEST', /not JSON/],
    [`${churn}?reasons=1000`, '{}', 400, 'BAD_REQUEST', /reasons/],
    ['nobody', '{}', 404, 'NOT_FOUND', /nobody/],
    [churn, `{"plan": "${'x'.repeat(1 << 20)}"}`, 413, 'TOO_LARGE', /bytes/],
  ];
  for (const [path, body, status, code, detail] of refusals) {
    expect(await post(port, path, body), body.slice(0, 60)).toMatchObject({ status, body: { code, detail: expect.stringMatching(detail) } });
  }
  expect(await post(port, churn, '{}', { 'content-type': 'text/plain' })).toMatchObject({ status: 400 });
  expect(await post(port, churn, '{}', { 'content-type': 'application/json', origin: 'http://evil.example' })).toMatchObject({ status: 403 });
  await ask(port, churn, {});
  await stack.feed.until('the one that was a record is counted', async () => (await answered(churn)) > before);
  expect(await answered(churn)).toBe(before + 1);
});

test('customers who have been there for long, all of a sudden: the column is named by an alert, and no frames are collected for it', async () => {
  const { profile } = await openTruth();
  const watched = profile.statistics.map(({ name }) => name);
  expect(watched).toEqual(expect.arrayContaining(['column/tenure_months', 'column/plan', 'column/days_since_login', 'confidence']));
  const findAlert = async () =>
    (await stack.api('listAlerts', { query: { state: 'OPEN' } })).items.find(({ statistic }) => statistic === 'column/tenure_months');
  const windowsMax = 10;
  const drifted = [...churnRecords(windowsMax * profile.framesPerWindow, 5)];
  let sent = await answered(churn);
  for (let window = 0; window < windowsMax && (await findAlert()) === undefined; window++) {
    for (const record of drifted.splice(0, profile.framesPerWindow)) {
      await ask(port, churn, { ...record, tenure_months: Number(record['tenure_months']) + 90 });
      sent++;
    }
    // Each in windows of its own: what comes together is judged together.
    await stack.feed.until('the server has them', async () => (await answered(churn)) === sent);
  }
  const alert = await stack.feed.until('an alert about the column', findAlert);
  expect(alert).toMatchObject({ model: churn, version: 1, devices: [device], severity: 'high', jobId: null });
  expect(alert.words).toMatch(/^column\/tenure_months moved from \d+\.\d to 1\d\d /);
  const { items: jobs } = await stack.api('listJobs', { query: {} });
  expect(jobs.filter(({ kind }) => kind === 'retrain')).toEqual([]);
});

test('a text is answered with the words that made the answer', async () => {
  await makeVersion(stack, postPipeline, { 'posts.csv': postFile(800) });
  await rollOut(stack, posts, 1);
  const text = 'Fire at the old mill, two workers trapped, please send help';
  const reply = await ask(port, `${posts}?reasons=4`, { text });
  expect(reply.prediction).toBe('emergency');
  expect(reply.reasons?.length).toBeGreaterThan(0);
  for (const { name, given } of reply.reasons ?? []) {
    expect(name).toBe('text');
    expect(text).toContain(given);
  }
  expect(await post(port, posts, '{"body": "no such field"}')).toMatchObject({
    status: 400,
    body: { code: 'BAD_REQUEST', detail: expect.stringContaining('text') },
  });
  await stack.feed.until('its window arrives', async () => (await answered(posts)) === 1);
});

test('the commands of the page on records are answered as it shows', async () => {
  const page = readFileSync(new URL('../../../docs/records.md', import.meta.url), 'utf8');
  const commands = [...page.matchAll(/^ +curl -s 'http:\/\/127\.0\.0\.1:9464\/predict\/([^']+)' -H 'content-type: application\/json' -d '([^']+)'$/gm)];
  expect(commands).toHaveLength(2);
  const shown = JSON.parse(/```json\n(.*?)```/s.exec(page)?.[1] ?? '') as PredictReply;
  for (const [index, [, path = '', body = '']] of commands.entries()) {
    const reply = await ask(port, path, JSON.parse(body));
    expect(Object.keys(reply)).toEqual(Object.keys(shown));
    if (index > 0) continue;
    expect(reply.prediction).toBe(shown.prediction);
    expect(reply.reasons?.map(({ name }) => name)).toEqual(shown.reasons?.map(({ name }) => name));
  }
});
