import { seededRandom } from '@serin/inference/random';

import type { Row } from '../table-writer.ts';

/** Payments by cards that do not exist: synthetic, drawn from a seed, one in some hundreds of them fraudulent. */
export const columns = [
  'card',
  'hour',
  'amount',
  'times_usual',
  'merchant',
  'minutes_since_last',
  'km_from_last',
  'abroad',
  'new_device',
  'card_age_days',
  'fraud',
] as const;

const merchants = ['groceries', 'fuel', 'restaurant', 'clothing', 'travel', 'electronics', 'gift cards'] as const;
const usualAmount = { groceries: 42, fuel: 55, restaurant: 38, clothing: 70, travel: 260, electronics: 180, 'gift cards': 60 };
const paymentsPerCard = 25;
/** Cards that are taken over, and how many of their payments then are the thief's. */
const stolenShare = 0.05;

const exponential = (uniform: number, mean: number): number => -Math.log(1 - uniform) * mean;
const round = (value: number, digits: number): number => Number(value.toFixed(digits));

export function* payments(count: number, seed: number): Generator<Row> {
  const random = seededRandom(`fraud/${seed}`);
  const pick = <Item>(items: readonly Item[]): Item => items[random.integer(items.length)] as Item;
  for (let written = 0, card = 0; written < count; card += 1) {
    const habit = Math.exp(0.4 * random.normal());
    const age = random.integer(2000);
    const theftAt = random.uniform() < stolenShare ? random.integer(paymentsPerCard) : Number.POSITIVE_INFINITY;
    const spree = theftAt + 1 + random.integer(4);
    for (let nth = 0; nth < paymentsPerCard && written < count; nth += 1, written += 1) {
      const isFraud = nth >= theftAt && nth < spree;
      // A careful thief looks like the owner.
      const shows = isFraud && random.uniform() < 0.85;
      const merchant = shows && random.uniform() < 0.6 ? pick(['electronics', 'gift cards', 'travel'] as const) : pick(merchants);
      const times = Math.exp(0.5 * random.normal() + (shows ? 0.8 : 0));
      const awake = 8 + 14 * random.uniform();
      yield [
        `k${String(card).padStart(6, '0')}`,
        Math.floor(shows && random.uniform() < 0.5 ? 24 * random.uniform() : awake) % 24,
        round(usualAmount[merchant] * habit * times, 2),
        round(times, 2),
        merchant,
        round(nth === theftAt || !shows ? exponential(random.uniform(), 2200) : exponential(random.uniform(), 25), 1),
        random.uniform() < 0.03 ? undefined : round(shows ? exponential(random.uniform(), 400) : exponential(random.uniform(), 9), 1),
        random.uniform() < (shows ? 0.3 : 0.02) ? 'yes' : 'no',
        random.uniform() < (shows ? 0.6 : 0.03) ? 'yes' : 'no',
        age + nth,
        isFraud ? 'yes' : 'no',
      ];
    }
  }
}
