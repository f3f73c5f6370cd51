import { beforeEach, expect, test } from 'vitest';
import { createApiClient } from '@serin/protocol/api/client';
import { errorReply, routes, type Route, type RouteName } from '@serin/protocol/api/routes';
import { deviceId } from '@serin/protocol/ids';
import { devices, samples } from '../store/schema.ts';
import { testHello } from '../testing.ts';
import { startTestApi, type TestApi } from './testing.ts';

let api: TestApi;

beforeEach(async () => {
  api = await startTestApi();
});

const call = (path: string, init: RequestInit = {}) => fetch(`${api.server.url}${path}`, init);
const pathOf = ({ path }: Route): string => path.replace(/:\w+/g, 'x1');
const names = Object.keys(routes) as RouteName[];
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

async function addDevice(id: string): Promise<void> {
  await api.store.db.insert(devices).values({ id, state: 'ACTIVE', hello: testHello, certificateSerial: '1', certificateExpiresAt: 1, joinedAt: 1 });
}

async function signIn(): Promise<string> {
  const response = await call('/api/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: await api.signInCode() }),
  });
  expect(response.status).toBe(200);
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

test('nothing is open to strangers: every route of the table, and every raw one', async () => {
  for (const name of names) {
    const route: Route = routes[name];
    if (route.access === 'open') continue;
    const response = await call(pathOf(route), { method: route.method });
    expect(response.status, name).toBe(401);
    expect(errorReply.parse(await response.json())).toMatchObject({ code: 'NOT_SIGNED_IN' });
  }
  for (const path of ['/api/events', '/api/samples/1/image', `/blobs/${'0'.repeat(64)}`, '/docs', '/docs/', '/docs/json', '/docs/yaml']) {
    expect((await call(path)).status, path).toBe(401);
  }
});

test('a wrong token is refused everywhere, also where nobody need be', async () => {
  for (const name of names) {
    const route: Route = routes[name];
    if (route.access === 'open') continue;
    expect((await call(pathOf(route), { method: route.method, headers: bearer('srt_wrong') })).status, name).toBe(401);
  }
});

test('each role may do what its routes say and no more', async () => {
  const rank = { viewer: 0, operator: 1, admin: 2 };
  for (const role of ['viewer', 'operator', 'admin'] as const) {
    const token = await api.tokenFor(role);
    for (const name of names) {
      const route: Route = routes[name];
      if (route.access === 'open' || name === 'signOut') continue;
      const { status } = await call(pathOf(route), { method: route.method, headers: bearer(token) });
      if (rank[role] < rank[route.access]) expect(status, `${role} ${name}`).toBe(403);
      else expect([401, 403], `${role} ${name}`).not.toContain(status);
    }
  }
});

test('the one-time link signs in once; the cookie is out of reach for scripts and other sites', async () => {
  const code = await api.signInCode();
  const attempt = () => call('/api/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code }) });
  const first = await attempt();
  expect(await first.json()).toMatchObject({ role: 'admin', fleet: 'plant-1', demo: false });
  expect(first.headers.getSetCookie()[0]).toMatch(/HttpOnly.*SameSite=Strict/);
  const second = await attempt();
  expect(second.status).toBe(401);
  expect(await second.json()).toMatchObject({ code: 'TOKEN_INVALID' });
});

test('guessing codes is slowed down', async () => {
  const statuses: number[] = [];
  for (let attempt = 0; attempt < 12; attempt++) {
    statuses.push((await call('/api/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"code":"guess"}' })).status);
  }
  expect(statuses.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 401));
  expect(statuses.at(-1)).toBe(429);
});

test('a cookie acts from its own origin alone; signing out ends it', async () => {
  const cookie = await signIn();
  expect((await call('/api/session', { headers: { cookie } })).status).toBe(200);
  const make = (headers: Record<string, string>) =>
    call('/api/enrolments', { method: 'POST', headers: { cookie, 'content-type': 'application/json', ...headers }, body: '{}' });
  expect((await make({ origin: 'http://evil.example' })).status).toBe(403);
  expect((await make({})).status).toBe(403);
  const made = await make({ origin: api.server.url });
  expect(made.status).toBe(200);
  expect(await made.json()).toMatchObject({ token: expect.stringMatching(/^SRN1\./), joinUrl: 'https://127.0.0.1:1' });
  expect((await call('/api/session', { method: 'DELETE', headers: { cookie, origin: api.server.url } })).status).toBe(200);
  expect((await call('/api/session', { headers: { cookie } })).status).toBe(401);
});

test('tokens are made, listed without their secret, used and revoked', async () => {
  const admin = await api.as('admin');
  const { id, token } = await admin('createToken', { body: { name: 'ci', role: 'viewer', days: 1 } });
  const client = createApiClient({ baseUrl: api.server.url, fetch, token });
  expect(await client('getSession')).toMatchObject({ name: 'ci', role: 'viewer' });
  const { items } = await admin('listTokens');
  expect(items.find((item) => item.id === id)).toMatchObject({ name: 'ci', lastUsedAt: expect.any(Number) });
  expect(JSON.stringify(items)).not.toContain(token);
  await admin('revokeToken', { params: { id } });
  await expect(client('getSession')).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
});

test('bad input gets a code, the field and the rule', async () => {
  const token = await api.tokenFor('operator');
  const post = (path: string, body: string, type = 'application/json') =>
    call(path, { method: 'POST', headers: { ...bearer(token), 'content-type': type }, body });
  const malformed = await post('/api/jobs', '{"kind":"dance","model":"picker"}');
  expect(malformed.status).toBe(400);
  expect(await malformed.json()).toMatchObject({ code: 'BAD_REQUEST', detail: expect.stringContaining('kind'), requestId: expect.any(String) });
  expect((await post('/api/jobs', '{nope')).status).toBe(400);
  expect((await post('/api/jobs', 'a=b', 'application/x-www-form-urlencoded')).status).toBe(400);
  const large = await post('/api/jobs', JSON.stringify({ kind: 'train', model: 'x'.repeat(300_000) }));
  expect([large.status, (await large.json()).code]).toEqual([413, 'TOO_LARGE']);
  expect((await call('/api/devices?limit=9999', { headers: bearer(token) })).status).toBe(400);
  const missing = await call('/api/nothing', { headers: bearer(token) });
  expect([missing.status, (await missing.json()).code]).toEqual([404, 'NOT_FOUND']);
});

test('jobs are queued, shown and cancelled, and the audit tells who did it', async () => {
  const operator = await api.as('operator');
  const job = await operator('startJob', { body: { kind: 'train', model: 'picker' as never, seed: 4 } });
  expect(job).toMatchObject({ status: 'QUEUED', kind: 'train', createdBy: 'operator-machine' });
  expect(await operator('cancelJob', { params: { id: job.id } })).toMatchObject({ status: 'CANCELLED' });
  await expect(operator('cancelJob', { params: { id: job.id } })).rejects.toMatchObject({ code: 'CONFLICT' });
  const { items } = await operator('listAudit', { query: {} });
  expect(items.map(({ action, actor }) => `${actor} ${action}`).slice(0, 2)).toEqual(['operator-machine job.cancel', 'operator-machine job.start']);
});

test('devices are listed and revoked; their connections end', async () => {
  await addDevice('cam-1');
  const admin = await api.as('admin');
  const { items, total } = await admin('listDevices', { query: {} });
  expect([total, items[0]?.id]).toEqual([1, 'cam-1']);
  expect(await admin('revokeDevice', { params: { id: deviceId.parse('cam-1') } })).toMatchObject({ state: 'REVOKED' });
  expect(api.disconnected).toEqual(['cam-1']);
  await expect(admin('getDevice', { params: { id: deviceId.parse('cam-9') } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('blobs come whole, in ranges and not again when known', async () => {
  const token = await api.tokenFor('viewer');
  const bytes = Uint8Array.from({ length: 3_000_000 }, (_, index) => index % 251);
  const digest = await api.blobs.put(bytes);
  const get = (headers: Record<string, string>, name: string = digest) => call(`/blobs/${name}`, { headers: { ...bearer(token), ...headers } });
  const whole = await get({});
  expect(whole.headers.get('cache-control')).toContain('immutable');
  expect(Buffer.compare(new Uint8Array(await whole.arrayBuffer()), bytes)).toBe(0);
  const part = await get({ range: 'bytes=1048570-1048585' });
  expect([part.status, part.headers.get('content-range')]).toEqual([206, 'bytes 1048570-1048585/3000000']);
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(bytes.slice(1_048_570, 1_048_586));
  expect(new Uint8Array(await (await get({ range: 'bytes=-4' })).arrayBuffer())).toEqual(bytes.slice(-4));
  expect((await get({ range: 'bytes=3000000-' })).status).toBe(416);
  expect((await get({ 'if-none-match': `"${digest}"` })).status).toBe(304);
  expect((await get({}, '0'.repeat(64))).status).toBe(404);
  expect((await get({}, '../../keys/ca.key')).status).toBe(404);
});

test('a frame is a PNG file that decodes to its pixels', async () => {
  const pixels = Uint8Array.from({ length: 2 * 3 * 3 }, (_, index) => index * 14);
  const row = {
    device: 'cam-1',
    boot: 'b',
    seq: 1,
    model: 'picker',
    version: 1,
    takenAt: 1,
    height: 2,
    width: 3,
    channels: 3,
    predicted: { label: 0, confidence: 1 },
    pixels,
  };
  await api.store.db.insert(samples).values(row);
  const response = await call('/api/samples/1/image', { headers: bearer(await api.tokenFor('viewer')) });
  expect(response.headers.get('content-type')).toBe('image/png');
  const bytes = Buffer.from(await response.arrayBuffer());
  expect(bytes.subarray(1, 4).toString()).toBe('PNG');
});

test('the API describes itself', async () => {
  const headers = bearer(await api.tokenFor('viewer'));
  const description = (await (await call('/docs/json', { headers })).json()) as { paths: Record<string, Record<string, { operationId: string }>> };
  const described = Object.values(description.paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  expect(described.sort()).toEqual([...names].sort());
  expect((await call('/docs/', { headers })).status).toBe(200);
});

test('health names the part that fails; metrics are for this machine and for tokens', async () => {
  expect(await (await call('/readyz')).json()).toEqual({ isReady: true, parts: { database: 'ok', broker: 'ok' } });
  api.health.broker = false;
  const ready = await call('/readyz');
  expect([ready.status, await ready.json()]).toEqual([503, { isReady: false, parts: { database: 'ok', broker: 'failing' } }]);
  expect((await call('/healthz')).status).toBe(200);
  const metrics = await (await call('/metrics')).text();
  expect(metrics).toContain('serin_event_streams 0');
  expect(metrics).toContain('serin_http_requests_total{route="/readyz",status="503"} 1');
  expect((await call('/metrics', { headers: { 'x-forwarded-for': '203.0.113.9' } })).status).toBe(401);
});

test('pages carry a strict policy, and what is missing is never answered with a page', async () => {
  const page = await call('/devices', { headers: { accept: 'text/html' } });
  expect(page.headers.get('content-security-policy')).toContain("default-src 'self';script-src 'self' 'wasm-unsafe-eval'");
  for (const path of ['/assets/missing.js', '/ort.wasm', '/api/x', '/blobs/x']) {
    const response = await call(path, { headers: { accept: 'text/html' } });
    expect([401, 404], path).toContain(response.status);
    expect(response.headers.get('content-type'), path).toContain('application/json');
  }
});
