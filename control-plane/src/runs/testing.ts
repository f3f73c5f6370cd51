import type { Environment } from '@serin/protocol/api/runs';

export const testEnvironment: Environment = {
  product: '0.1.0',
  node: '20.19.0',
  ort: '1.30.0',
  platform: 'linux 6',
  arch: 'x64',
  cpu: 'test',
  cpuFlags: ['avx2'],
  threads: 1,
  lockfile: null,
};
