import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

import { layerKinds } from './layer-kinds.ts';
import { activationNames } from './layers/activation.ts';

const page = await readFile(fileURLToPath(new URL('../../../docs/tfjs.md', import.meta.url)), 'utf8');
const named = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name).toSorted();

test('docs/tfjs.md lists the layers that are read, and no others', () => {
  const table = page.slice(page.indexOf('| layers | remarks |'), page.indexOf('\nActivations:')).split('\n');
  const listed = table.slice(2).flatMap((line) => named(line.split('|')[1] ?? ''));
  expect(listed.toSorted()).toEqual([...Object.keys(layerKinds), 'InputLayer', 'Sequential', 'Model', 'Functional'].toSorted());
});

test('and the activations', () => {
  const line = page.split('\n').find((each) => each.startsWith('Activations:')) ?? '';
  expect(named(line)).toEqual([...activationNames].toSorted());
});
