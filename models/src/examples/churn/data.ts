import { seededRandom } from '@serin/inference/random';

import type { Row } from '../table-writer.ts';

/** Customers of an internet provider that does not exist: synthetic, drawn from a seed, with what leads to leaving built in. */
export const columns = [
  'customer',
  'tenure_months',
  'plan',
  'monthly_fee',
  'payment',
  'support_calls',
  'late_payments',
  'days_since_login',
  'hours_a_week',
  'region',
  'churned',
] as const;

const plans = ['basic', 'plus', 'pro'] as const;
const payments = ['card', 'transfer', 'direct debit'] as const;
const regions = ['north', 'east', 'south', 'west'] as const;
const fees = { basic: 19, plus: 35, pro: 59 };

const logistic = (margin: number): number => 1 / (1 + Math.exp(-margin));
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

export function* customers(count: number, seed: number): Generator<Row> {
  const random = seededRandom(`churn/${seed}`);
  const pick = <Item>(items: readonly Item[]): Item => items[random.integer(items.length)] as Item;
  for (let index = 0; index < count; index += 1) {
    const tenure = Math.floor(-Math.log(1 - random.uniform()) * 24);
    const plan = pick(plans);
    const fee = round(fees[plan] * random.between(0.85, 1.2), 2);
    const payment = pick(payments);
    const calls = Math.floor(-Math.log(1 - random.uniform()) * 1.6);
    const late = random.uniform() < 0.75 ? 0 : 1 + random.integer(4);
    const silence = round(-Math.log(1 - random.uniform()) * 9, 1);
    const hours = round(Math.max(0, 11 + 5 * random.normal() - silence / 4), 1);
    // Who stays long keeps staying; one call is normal, several are not, and on the dearest plan they weigh double; a contract
    // ends after a year or two, and who is dear to us then compares prices.
    const isRenewing = tenure % 12 >= 10 && tenure < 36;
    const margin =
      -2.9 +
      1.8 * Math.exp(-tenure / 8) +
      (calls > 2 ? 0.7 * (calls - 2) * (plan === 'pro' ? 2 : 1) : 0) +
      0.5 * late * (payment === 'transfer' ? 2 : 0.5) +
      (silence > 14 ? 1.4 : 0) +
      (isRenewing ? 0.16 * Math.max(0, fee - fees[plan]) + 0.8 : 0) +
      (hours < 6 ? 0.9 : 0) +
      0.3 * random.normal();
    yield [
      `c${String(index).padStart(6, '0')}`,
      tenure,
      plan,
      fee,
      payment,
      calls,
      late,
      // Some never log in by the page that counts.
      random.uniform() < 0.08 ? undefined : silence,
      hours,
      pick(regions),
      random.uniform() < logistic(margin) ? 'yes' : 'no',
    ];
  }
}
