import { readFile } from 'node:fs/promises';

const docs = new URL('../../../docs/', import.meta.url);

export const readPage = (name: string): Promise<string> => readFile(new URL(name, docs), 'utf8');

/** The blocks of a page that are of one language. */
export const blocksOf = (page: string, language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n(.*?)\`\`\``, 'gs'))].map((match) => match[1] ?? '');

const squeezed = (code: string): string => code.replaceAll(/^\s+|\s+$/gm, '').replaceAll('\n', ' ');

/** The snippets of a page that files of code lack, however either is laid out: what these have compiles and runs. */
export async function snippetsMissing(page: string, ...code: readonly URL[]): Promise<string[]> {
  const whole = squeezed((await Promise.all(code.map((file) => readFile(file, 'utf8')))).join('\n'));
  return blocksOf(page, 'ts').filter((snippet) => !whole.includes(squeezed(snippet)));
}
