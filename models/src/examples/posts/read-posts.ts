import { readCsv } from '../../data/records/csv.ts';
import { addProblem, noProblems, refuseProblems } from '../../data/problems.ts';
import type { Cell, RecordBatch } from '../../data/records/batch.ts';
import type { Post } from './data.ts';

const needed = ['text', 'target'] as const;

/** Reads posts from delimited text with the columns id, keyword, location, text and target; refuses with everything that is wrong. */
export async function readPosts(file: string): Promise<Post[]> {
  const problems = noProblems();
  const posts: Post[] = [];
  for await (const batch of readCsv(file, { problems })) {
    const missing = needed.filter((name) => !batch.names.includes(name));
    for (const name of missing) addProblem(problems, { kind: 'column-missing', file: batch.file, detail: `there is no column ${name}` });
    if (missing.length > 0) break;
    for (let row = 0; row < batch.rows; row += 1) posts.push(...readPost(batch, row, problems));
  }
  if (posts.length === 0 && problems.total === 0) addProblem(problems, { kind: 'empty', file, detail: 'there is no post' });
  refuseProblems(problems);
  return posts;
}

function readPost(batch: RecordBatch, row: number, problems: ReturnType<typeof noProblems>): Post[] {
  const cell = (name: string): Cell => batch.columns[batch.names.indexOf(name)]?.[row] ?? null;
  const at = `row ${batch.numbers[row] ?? 0}`;
  const target = String(cell('target') ?? '').trim();
  const text = cell('text');
  const isLabelled = target === '0' || target === '1';
  if (target === '') addProblem(problems, { kind: 'label-missing', file: batch.file, at, detail: 'target is empty' });
  else if (!isLabelled) addProblem(problems, { kind: 'label-unknown', file: batch.file, at, detail: `target is "${target}"; it must be 0 or 1` });
  if (text === null) addProblem(problems, { kind: 'format', file: batch.file, at, detail: 'text is empty' });
  if (!isLabelled || text === null) return [];
  const [id, keyword, location] = [cell('id'), cell('keyword'), cell('location')].map((value) => String(value ?? ''));
  return [{ id: id ?? at, keyword: keyword ?? '', location: location ?? '', text: String(text), target: target === '1' ? 1 : 0 }];
}
