import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { AskOptions, RecordReply } from '@serin/device/ports';
import type { DataRecord } from '@serin/inference/records';
import { SerinError } from '@serin/protocol/errors';
import { modelName } from '@serin/protocol/ids';

export type Ask = (model: string, record: DataRecord, options: AskOptions) => Promise<RecordReply>;

const bodyBytesMax = 1 << 20;
const reasonsMax = 100;
export const predictPrefix = '/predict/';

/** Answers `POST /predict/NAME` with one JSON object as its body: the record. `?reasons=5` asks for what made the answer. */
export async function predict(request: IncomingMessage, ask: Ask): Promise<object> {
  requireLocal(request);
  const url = new URL(request.url ?? '', 'http://localhost');
  const name = modelName.safeParse(decodeURIComponent(url.pathname.slice(predictPrefix.length)));
  if (!name.success) throw new SerinError('NOT_FOUND', { detail: 'no model has such a name' });
  const reasons = readReasons(url.searchParams.get('reasons'));
  const { label, value, confidence, probabilities, ...reply } = await ask(name.data, await readRecord(request), { reasons });
  return {
    id: randomUUID(),
    prediction: value ?? label,
    ...(confidence === undefined ? {} : { confidence, probabilities }),
    model: reply.model,
    version: reply.version,
    ms: reply.ms,
    ...(reasons === 0 ? {} : { reasons: reply.reasons }),
    ...(reply.unread.length === 0 ? {} : { unread: reply.unread }),
  };
}

/** A page in a browser of this machine must not ask, by whatever name it reaches us. */
function requireLocal({ headers }: IncomingMessage): void {
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  if (!['127.0.0.1', 'localhost', '[::1]'].includes(host) || headers.origin !== undefined) {
    throw new SerinError('FORBIDDEN', { detail: 'this is for programs on this machine', hint: 'Ask http://127.0.0.1 from a program, not from a page' });
  }
  if (!/^application\/json\b/.test(headers['content-type'] ?? '')) {
    throw new SerinError('BAD_REQUEST', { detail: 'the body must be application/json', hint: 'Send -H "content-type: application/json"' });
  }
}

function readReasons(text: string | null): number {
  if (text === null) return 0;
  if (!/^\d{1,3}$/.test(text) || Number(text) > reasonsMax)
    throw new SerinError('BAD_REQUEST', { detail: `reasons is "${text}", it must be 0 to ${reasonsMax}` });
  return Number(text);
}

async function readRecord(request: IncomingMessage): Promise<DataRecord> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > bodyBytesMax) throw new SerinError('TOO_LARGE', { detail: `a record has at most ${bodyBytesMax} bytes` });
    parts.push(part);
  }
  let content: unknown;
  try {
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(parts)));
  } catch (cause) {
    throw new SerinError('BAD_REQUEST', { detail: 'the body is not JSON', cause });
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) {
    throw new SerinError('BAD_REQUEST', { detail: 'the body must be one object: the record, its fields by their names' });
  }
  return content as DataRecord;
}
