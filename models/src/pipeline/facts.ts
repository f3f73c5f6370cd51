import { decodeJson, type DataFacts, type JudgingFacts, type LearningFacts } from './part.ts';
import type { StageContext } from './stage.ts';

/** Both files the split leaves about the data; a stage that calls this reads both. */
export const readFacts = async (context: StageContext): Promise<DataFacts> => ({
  ...decodeJson<LearningFacts>(await context.read('split/facts.json')),
  ...decodeJson<JudgingFacts>(await context.read('split/asked.json')),
});
