import { createClock } from '@serin/device/clock';

export const systemClock = createClock(Date, performance);
