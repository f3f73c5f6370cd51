/** A cell as its file has it: delimited text gives strings only; empty and absent cells are null. */
export type Cell = string | number | boolean | null;

/** Some records of one file, column by column. Readers hand out one after the other, so a file may be larger than memory. */
export interface RecordBatch {
  /** Path as problems name it. */
  readonly file: string;
  readonly names: readonly string[];
  /** One array per name, all of `rows` cells. */
  readonly columns: readonly (readonly Cell[])[];
  readonly rows: number;
  /** Where each record stands, as a person counts: a row of a spreadsheet (its header is row 1), a line of a text. */
  readonly numbers: Int32Array;
}

export const batchRows = 4096;
