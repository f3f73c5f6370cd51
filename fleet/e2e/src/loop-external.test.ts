import { test } from 'vitest';
import { describeLoop } from './harness/loop.ts';
import { isMissing } from './harness/missing.ts';

if (isMissing('postgres', 'mosquitto')) test.skip('the loop on the external stack', () => {});
else describeLoop('external');
