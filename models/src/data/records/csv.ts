import { FileProblem } from '../folder.ts';
import type { RecordBatch } from './batch.ts';
import { refuseBinary, type CsvDelimiter } from './csv-dialect.ts';
import { openCsvReader } from './csv-reader.ts';
import { encodingByMark, type TextEncoding } from './encoding.ts';
import { fileName, readBytes, reportFault, type ReadRecordsOptions } from './input.ts';

export interface ReadCsvOptions extends ReadRecordsOptions {
  /** Found out from the first rows when left out. */
  readonly delimiter?: CsvDelimiter | undefined;
  /** By the byte order mark, else UTF-8. */
  readonly encoding?: TextEncoding | undefined;
  /** Whether the first row names the columns; it does when left out, with a problem when it looks like data. */
  readonly header?: boolean | undefined;
  /** Of the columns of a file without a header; `column_1` and so on when left out. */
  readonly names?: readonly string[] | undefined;
  /** `1.234,5` for 1234.5. Where the comma parts no fields it is found out from the first rows. */
  readonly decimalComma?: boolean | undefined;
  /** Told once the first rows were seen. */
  readonly onDialect?: ((dialect: CsvDialect) => void) | undefined;
}

export interface CsvDialect {
  readonly encoding: TextEncoding;
  readonly delimiter: CsvDelimiter;
  readonly decimalComma: boolean;
  readonly names: readonly string[];
}

const headBytes = 64 * 2 ** 10;

/**
 * Delimited text, a batch of rows at a time: RFC 4180 and what spreadsheets do beside it. Rows that are wrong go to the
 * problems and are left out; cells are text, empty ones null; rows without any text are skipped but counted.
 */
export async function* readCsv(file: string, options: ReadCsvOptions): AsyncGenerator<RecordBatch> {
  const name = fileName(file, options);
  try {
    yield* readChecked(file, name, options);
  } catch (error) {
    reportFault(error, name, options.problems);
  }
}

async function* readChecked(file: string, name: string, options: ReadCsvOptions): AsyncGenerator<RecordBatch> {
  const pieces = readBytes(file, options);
  try {
    yield* readPieces(pieces, name, options);
  } finally {
    await pieces.return(undefined);
  }
}

async function* readPieces(pieces: AsyncGenerator<Buffer>, name: string, options: ReadCsvOptions): AsyncGenerator<RecordBatch> {
  const first: Buffer[] = [];
  for (let had = 0; had < headBytes;) {
    const next = await pieces.next();
    if (next.done === true) break;
    first.push(next.value);
    had += next.value.length;
  }
  const start = Buffer.concat(first);
  const mark = encodingByMark(start);
  const encoding = mark?.encoding ?? options.encoding ?? 'utf-8';
  const wide = encoding.startsWith('utf-16');
  if (!wide) refuseBinary(start.subarray(0, headBytes));
  const rest = start.subarray(mark?.length ?? 0);
  const bytes = wide ? narrow(joined(rest, pieces), encoding) : joined(rest, pieces);
  const reader = openCsvReader(name, encoding, options);
  let previous: Buffer | undefined;
  for await (const piece of bytes) {
    if (previous !== undefined) yield* reader.take(previous, false);
    previous = piece;
    if (reader.stopped) return;
  }
  yield* reader.take(previous ?? Buffer.alloc(0), true);
}

async function* joined(first: Buffer, rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

/** UTF-16 as UTF-8, so that rows are found in one way. */
async function* narrow(pieces: AsyncIterable<Buffer>, encoding: TextEncoding): AsyncGenerator<Buffer> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const decode = (piece: Buffer | undefined): Buffer => {
    try {
      return Buffer.from(decoder.decode(piece, { stream: piece !== undefined }));
    } catch (cause) {
      throw new FileProblem('encoding', `its bytes are not ${encoding.toUpperCase()} throughout`, cause);
    }
  };
  for await (const piece of pieces) yield decode(piece);
  yield decode(undefined);
}
