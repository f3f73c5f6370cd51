import { expect, test } from 'vitest';
import { digest, modelName } from '@serin/protocol/ids';
import type { DesiredModel } from '@serin/protocol/messages/desired';
import { compareRevision, planModel, type Situation } from './reconcile.ts';
import type { Slot } from './slots.ts';
import { startUpdate } from './update/step.ts';

const manifestOf = (version: number) => digest.parse(String(version).repeat(64).slice(0, 64));
const slotOf = (version: number): Slot => ({ version, manifest: manifestOf(version), variant: 'fp32', blobs: [manifestOf(version)] });
const orderOf = (version: number): DesiredModel => ({
  model: modelName.parse('picker'),
  version,
  manifest: { sha256: manifestOf(version), size: 10 },
  bundleBytes: 100,
});
const underWay = (version: number) =>
  startUpdate(1, { version, manifest: { sha256: manifestOf(version), size: 10 }, bundleBytes: 100, issuedAt: 5, isReturn: false });

const situation = (change: Partial<Situation>): Situation => ({
  wanted: orderOf(2),
  issuedAt: 10,
  isExpired: false,
  slots: { committed: slotOf(1) },
  journal: undefined,
  denials: [],
  isPreviousStored: false,
  ...change,
});

test.for([
  ['what is committed stays', { wanted: orderOf(1) }, { kind: 'keep' }],
  ['nothing is wanted and nothing is here', { wanted: undefined, slots: {} }, { kind: 'keep' }],
  ['what is not wanted any more goes', { wanted: undefined }, { kind: 'retire' }],
  ['something else is installed', {}, { kind: 'install', target: { version: 2, issuedAt: 10, isReturn: false } }],
  [
    'the version before is stored',
    { wanted: orderOf(3), slots: { committed: slotOf(4), previous: slotOf(3) }, isPreviousStored: true },
    { kind: 'install', target: { isReturn: true } },
  ],
  [
    'the version before lost a file',
    { wanted: orderOf(3), slots: { committed: slotOf(4), previous: slotOf(3) } },
    { kind: 'install', target: { isReturn: false } },
  ],
  ['the update under way is about it', { journal: underWay(2) }, { kind: 'continue' }],
  ['the update under way is about something else', { journal: underWay(3) }, { kind: 'supersede' }],
  ['the update under way is about something else, and what is committed is wanted', { wanted: orderOf(1), journal: underWay(3) }, { kind: 'supersede' }],
  ['nothing is wanted while an update is under way', { wanted: undefined, journal: underWay(3) }, { kind: 'supersede' }],
  [
    'it failed under this very order',
    { denials: [{ manifest: manifestOf(2), issuedAt: 10, code: 'GOLDEN_MISMATCH' }] },
    { kind: 'hold', code: 'BUNDLE_DENIED' },
  ],
  [
    'it failed under a newer order than this',
    { denials: [{ manifest: manifestOf(2), issuedAt: 11, code: 'GOLDEN_MISMATCH' }] },
    { kind: 'hold', code: 'BUNDLE_DENIED' },
  ],
  ['it failed under an older order', { denials: [{ manifest: manifestOf(2), issuedAt: 9, code: 'GOLDEN_MISMATCH' }] }, { kind: 'install' }],
  ['the order expired', { isExpired: true }, { kind: 'hold', code: 'METADATA_EXPIRED' }],
  ['the order expired, and what it names runs', { wanted: orderOf(1), isExpired: true }, { kind: 'keep' }],
] satisfies [string, Partial<Situation>, object][])('%s', ([, change, plan]) => {
  expect(planModel(situation(change))).toMatchObject(plan);
});

test('revisions: lower is stale, equal the same, anything is newer than none', () => {
  expect([compareRevision({ rev: 3 }, { rev: 2 }), compareRevision({ rev: 3 }, { rev: 3 }), compareRevision({ rev: 3 }, { rev: 4 })]).toEqual([
    'stale',
    'same',
    'newer',
  ]);
  expect(compareRevision(undefined, { rev: 1 })).toBe('newer');
});
