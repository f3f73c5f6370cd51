/** Four digits, as people read figures. */
export const shown = (value: number): string => (Number.isFinite(value) ? String(Number(value.toPrecision(4))) : 'not a number');
