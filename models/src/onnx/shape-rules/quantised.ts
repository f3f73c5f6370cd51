import { numberAttribute, type ElementType } from '../graph.ts';
import { elementTypeCodes } from '../model-file.ts';
import type { ShapeRule } from './rule.ts';

const typeOfCode = new Map(Object.entries(elementTypeCodes).map(([type, code]) => [code, type as ElementType]));

/** Of the type of the zero point; without one of the type it names, or else of unsigned bytes. */
const quantize: ShapeRule = ({ node, input, has }) => {
  const named = typeOfCode.get(numberAttribute(node, 'output_dtype', 0));
  return [{ type: has(2) ? input(2).type : (named ?? 'uint8'), dims: input(0).dims }];
};

const dequantize: ShapeRule = ({ input }) => [{ type: input(1).type, dims: input(0).dims }];

export const quantisedShapes: Readonly<Record<string, ShapeRule>> = { QuantizeLinear: quantize, DequantizeLinear: dequantize };
