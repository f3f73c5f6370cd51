import { request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import type { AskOptions, RecordReply } from '@serin/device/ports';
import { SerinError } from '@serin/protocol/errors';
import { startHealth } from './health.ts';
import { createTally } from './tally.ts';

const reply: RecordReply = {
  model: 'churn',
  version: 3,
  label: 'stays',
  confidence: 0.75,
  value: undefined,
  probabilities: [0.75, 0.25],
  reasons: [{ name: 'age', given: '41', contribution: 0.5 }],
  unread: [],
  ms: 0.1,
};

async function begin(answer: () => RecordReply = () => reply) {
  const asked: [string, unknown, AskOptions][] = [];
  const health = await startHealth(0, {
    device: 'cam-1',
    isConnected: () => true,
    models: () => [],
    tally: createTally(),
    spool: { waiting: () => 0, dropped: () => 0 },
    restarts: () => 0,
    async ask(model, record, options) {
      asked.push([model, record, options]);
      return answer();
    },
  });
  onTestFinished(() => health.stop());
  const send = (path: string, body: string, headers: Record<string, string> = { 'content-type': 'application/json' }, method = 'POST') =>
    new Promise<{ status: number; body: Record<string, unknown> }>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port: health.port, path, method, headers }, (response) => {
        let text = '';
        response.on('data', (part: Buffer) => (text += part.toString()));
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, body: text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { text } }),
        );
      });
      sent.once('error', reject);
      sent.end(body);
    });
  return { asked, send };
}

test('a record is answered by the model of that name, with reasons where they are wanted', async () => {
  const { asked, send } = await begin();
  const plain = await send('/predict/churn', '{"age": 41}');
  expect(plain).toMatchObject({ status: 200, body: { prediction: 'stays', confidence: 0.75, probabilities: [0.75, 0.25], model: 'churn', version: 3 } });
  expect(plain.body).not.toHaveProperty('reasons');
  expect(plain.body).not.toHaveProperty('unread');
  const explained = await send('/predict/churn?reasons=5', '{"age": 41}');
  expect(explained.body.reasons).toEqual([{ name: 'age', given: '41', contribution: 0.5 }]);
  expect(asked).toEqual([
    ['churn', { age: 41 }, { reasons: 0 }],
    ['churn', { age: 41 }, { reasons: 5 }],
  ]);
});

test('a regression answers with its value', async () => {
  const { send } = await begin(() => ({ ...reply, label: undefined, confidence: undefined, value: 12.5, probabilities: [], unread: ['romos'] }));
  const { body } = await send('/predict/price', '{"romos": 3}');
  expect(body.unread).toEqual(['romos']);
  expect(body.prediction).toBe(12.5);
  expect(body).not.toHaveProperty('confidence');
});

test.each([
  ['no JSON', '/predict/churn', '{', {}, 400, 'BAD_REQUEST'],
  ['a list', '/predict/churn', '[1]', {}, 400, 'BAD_REQUEST'],
  ['a number of reasons that is none', '/predict/churn?reasons=many', '{}', {}, 400, 'BAD_REQUEST'],
  ['a name that cannot be', '/predict/..%2Fetc', '{}', {}, 404, 'NOT_FOUND'],
  ['a form, as a page may send one anywhere', '/predict/churn', '{}', { 'content-type': 'text/plain' }, 400, 'BAD_REQUEST'],
  ['a page', '/predict/churn', '{}', { origin: 'http://evil.example' }, 403, 'FORBIDDEN'],
  ['a name that was made to point here', '/predict/churn', '{}', { host: 'evil.example' }, 403, 'FORBIDDEN'],
  ['a body beyond the limit', '/predict/churn', `{"text": "${'x'.repeat(1 << 20)}"}`, {}, 413, 'TOO_LARGE'],
])('%s is refused under its code, and no model is asked', async (_, path, body, headers, status, code) => {
  const { asked, send } = await begin();
  expect(await send(path, body, { 'content-type': 'application/json', ...headers })).toMatchObject({ status, body: { code } });
  expect(asked).toEqual([]);
});

test('what the model refuses comes with its code and hint', async () => {
  const { send } = await begin(() => {
    throw new SerinError('NOT_FOUND', { detail: 'no model called price answers records here' });
  });
  expect(await send('/predict/price', '{}')).toMatchObject({ status: 404, body: { code: 'NOT_FOUND', detail: /price/ } });
  expect((await send('/predict/price', '', {}, 'GET')).status).toBe(405);
});
