import { expect, test } from 'vitest';
import { rankEntries } from './palette-rank.ts';

const entries = ['Overview', 'cam-1', 'sim-1', 'Switch between light and dark', 'Audit'].map((label) => ({ label, note: '' }));
const labels = (query: string): string[] => rankEntries(entries, query).map(({ label }) => label);

test('nothing typed leaves everything as it is', () => {
  expect(labels('  ')).toHaveLength(entries.length);
});

test('a beginning comes before a word, a word before letters inside', () => {
  expect(labels('au')).toEqual(['Audit']);
  expect(labels('dark')).toEqual(['Switch between light and dark']);
  expect(labels('s')[0]).toBe('sim-1');
});

test('scattered letters match in order, and nonsense matches nothing', () => {
  expect(labels('ovw')).toEqual(['Overview']);
  expect(labels('zzz')).toEqual([]);
});
