import { seededRandom } from '@serin/inference/random';

import type { Row } from '../table-writer.ts';

/** Applications for loans at a bank that does not exist: synthetic, drawn from a seed. */
export const columns = [
  'application',
  'age',
  'income',
  'employment',
  'employed_years',
  'amount',
  'term_months',
  'purpose',
  'history',
  'open_loans',
  'defaulted',
] as const;

const employments = ['employed', 'employed', 'employed', 'self-employed', 'retired', 'none'] as const;
const purposes = ['car', 'home', 'education', 'debt', 'business'] as const;
const histories = ['none', 'short', 'clean', 'clean', 'clean', 'late payments'] as const;
const terms = [12, 24, 36, 48, 60, 84] as const;

const employmentRisk = { employed: 0, 'self-employed': 0.35, retired: -0.2, none: 1.1 };
const purposeRisk = { car: -0.1, home: -0.3, education: 0, debt: 0.6, business: 0.4 };
const historyRisk = { none: 0.4, short: 0.1, clean: -0.8, 'late payments': 1.3 };

const logistic = (margin: number): number => 1 / (1 + Math.exp(-margin));

export function* applications(count: number, seed: number): Generator<Row> {
  const random = seededRandom(`loan/${seed}`);
  const pick = <Item>(items: readonly Item[]): Item => items[random.integer(items.length)] as Item;
  for (let index = 0; index < count; index += 1) {
    const age = 19 + random.integer(60);
    const employment = pick(employments);
    const income = Math.round(Math.exp(7.6 + 0.45 * random.normal() + (employment === 'none' ? -0.8 : 0)));
    const years = employment === 'employed' ? Math.min(age - 18, Math.floor(-Math.log(1 - random.uniform()) * 6)) : undefined;
    const purpose = pick(purposes);
    const history = pick(histories);
    const open = random.uniform() < 0.6 ? 0 : 1 + random.integer(4);
    const amount = 500 * Math.ceil(Math.exp(8.8 + 0.7 * random.normal()) / 500);
    const term = pick(terms);
    // What counts is the share of the income that the instalments take; beyond a third it turns steep.
    const burden = (amount / term) * 1.1 * (1 + 0.4 * open);
    const share = burden / income;
    const margin =
      -2.6 +
      2.2 * Math.max(0, share - 0.15) +
      3 * Math.max(0, share - 0.33) +
      employmentRisk[employment] +
      purposeRisk[purpose] +
      historyRisk[history] +
      (years === undefined ? 0 : 0.5 * Math.exp(-years / 2)) +
      0.25 * random.normal();
    yield [
      `a${String(index).padStart(6, '0')}`,
      age,
      income,
      employment,
      years,
      amount,
      term,
      purpose,
      history,
      open,
      random.uniform() < logistic(margin) ? 'yes' : 'no',
    ];
  }
}
