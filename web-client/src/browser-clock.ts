import { createClock } from '@serin/device/clock';

export const browserClock = createClock(Date, performance);
