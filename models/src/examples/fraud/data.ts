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
const stolenShare = 0.08;

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
    // Honest people travel, buy a telephone and go shopping: one of these alone says little.
    const [trip, phone, spreeDay] = [0.1, 0.12, 0.2].map((chance) => (random.uniform() < chance ? random.integer(paymentsPerCard) : -9)) as [
      number,
      number,
      number,
    ];
    for (let nth = 0; nth < paymentsPerCard && written < count; nth += 1, written += 1) {
      const isFraud = nth >= theftAt && nth < spree;
      // A careful thief looks like the owner.
      const shows = isFraud && random.uniform() < 0.85;
      const [isAway, isNew, isSpree] = [trip, phone, spreeDay].map((day) => nth >= day && nth < day + 4) as [boolean, boolean, boolean];
      // A thief shows two of three signs at least, the owner seldom more than one.
      const hidden = shows ? random.integer(4) : -1;
      const far = shows ? hidden !== 0 : isAway;
      const strange = shows ? hidden !== 1 : isNew;
      const fast = shows ? hidden !== 2 : isSpree;
      const merchant = fast && random.uniform() < 0.6 ? pick(['electronics', 'gift cards', 'clothing'] as const) : pick(merchants);
      const times = Math.exp(0.5 * random.normal() + (fast ? 0.7 : 0));
      yield [
        `k${String(card).padStart(6, '0')}`,
        Math.floor(shows && random.uniform() < 0.4 ? 24 * random.uniform() : 8 + 14 * random.uniform()),
        round(usualAmount[merchant] * habit * times, 2),
        round(times, 2),
        merchant,
        round(exponential(random.uniform(), fast ? 25 : 2200), 1),
        random.uniform() < 0.03 ? undefined : round(exponential(random.uniform(), far ? 500 : 9), 1),
        far && random.uniform() < 0.7 ? 'yes' : 'no',
        strange ? 'yes' : 'no',
        age + nth,
        isFraud ? 'yes' : 'no',
      ];
    }
  }
}
