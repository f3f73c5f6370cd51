import { describeLoop } from './harness/loop.ts';

describeLoop('embedded');
