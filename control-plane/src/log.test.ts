import { spawn } from 'node:child_process';
import { expect, test } from 'vitest';

/** What a process of its own writes to stderr. */
async function logged(program: string): Promise<Record<string, unknown>[]> {
  const code = `import { createLog } from ${JSON.stringify(new URL('./log.ts', import.meta.url).href)};
    import { SerinError } from '@serin/protocol/errors';
    const log = createLog('info');
    ${program}`;
  const child = spawn(process.execPath, ['--conditions=source', '--import', 'tsx', '--input-type=module', '-e', code], {
    stdio: ['ignore', 'inherit', 'pipe'],
  });
  let text = '';
  for await (const bytes of child.stderr) text += String(bytes);
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('an error that repeats is told once; other errors and plain events are all told', async () => {
  const lines = await logged(`
    for (let round = 0; round < 50; round++) {
      log.warn({ err: new SerinError('DISK_FULL', { detail: 'round ' + round }) }, 'not stored');
      log.warn({ err: new SerinError('DATABASE_UNREACHABLE') }, 'not stored');
      if (round < 3) log.info({ round }, 'event');
    }`);
  expect(lines.map(({ msg, err }) => `${String(msg)} ${(err as { code?: string } | undefined)?.code ?? ''}`).sort()).toEqual([
    'event ',
    'event ',
    'event ',
    'not stored DATABASE_UNREACHABLE',
    'not stored DISK_FULL',
  ]);
  expect(lines.find(({ err }) => (err as { code?: string } | undefined)?.code === 'DISK_FULL')?.err).toEqual({ code: 'DISK_FULL', detail: 'round 0' });
});

test('a fault nobody foresaw keeps its stack', async () => {
  const [line] = await logged(`log.error({ err: new TypeError('oops') }, 'failed');`);
  expect(line).toMatchObject({ msg: 'failed', err: { type: 'TypeError', message: 'oops', stack: expect.stringContaining('TypeError: oops') } });
});
