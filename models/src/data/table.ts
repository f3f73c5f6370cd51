/** A table in memory, column by column. Missing: NaN in numbers, -1 in codes, undefined in texts. */
export interface NumberColumn {
  readonly kind: 'number';
  readonly name: string;
  readonly values: Float64Array;
}

export interface CategoryColumn {
  readonly kind: 'category';
  readonly name: string;
  readonly levels: readonly string[];
  /** Index into the levels. */
  readonly codes: Int32Array;
}

export interface TextColumn {
  readonly kind: 'text';
  readonly name: string;
  readonly values: readonly (string | undefined)[];
}

export type Column = NumberColumn | CategoryColumn | TextColumn;

export interface Table {
  readonly rows: number;
  readonly columns: readonly Column[];
}
