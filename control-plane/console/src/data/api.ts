import { createApiClient } from '@serin/protocol/api/client';

export const api = createApiClient({ baseUrl: '', fetch: (...args) => globalThis.fetch(...args) });
