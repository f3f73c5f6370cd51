import type { PipelineInput } from './pipeline.ts';

export interface PipelineTemplate {
  readonly title: string;
  readonly file: PipelineInput;
}

const name = (text: string): PipelineInput['name'] => text as PipelineInput['name'];

/** Beginnings for `serin pipeline init`: data, so that what is written beside a person's files parses as it is. */
export const pipelineTemplates = {
  table: {
    title: 'Which class a row of a table belongs to',
    file: {
      v: 1,
      name: name('my-table'),
      description:
        'Boosted trees on the rows of a table. Name your files and the column to predict; all other columns are features. ' +
        'A column whose value decides the split (a customer, say) goes to spec.id or spec.group.',
      ingest: { files: ['data.csv'], spec: { kind: 'table', label: 'label' } },
      train: { kind: 'trees', trees: 300, learningRate: 0.1 },
      gate: { limits: { auc: { min: 0.7 } } },
    },
  },
  regression: {
    title: 'A number for each row of a table',
    file: {
      v: 1,
      name: name('my-regression'),
      description: 'Boosted trees that predict a number. RMSE is compared; gate.limits.r2 says how much of the variance must be explained.',
      ingest: { files: ['data.csv'], spec: { kind: 'table', label: 'label' } },
      task: 'regression',
      train: { kind: 'trees', trees: 500, learningRate: 0.05 },
      evaluate: { metric: 'rmse' },
      gate: { limits: { r2: { min: 0.2 } } },
    },
  },
  imbalanced: {
    title: 'A rare class, and mistakes that cost differently',
    file: {
      v: 1,
      name: name('my-rare-class'),
      description:
        'The class that is looked for is rare. evaluate.costs: what each mistake costs, truth first, then answer; the threshold is chosen ' +
        'on the validation part to cost least. Average precision is compared, because accuracy says nothing here.',
      ingest: { files: ['data.csv'], spec: { kind: 'table', label: 'label' } },
      positive: 'yes',
      train: { kind: 'trees', trees: 500, learningRate: 0.05, leafRowsMin: 50 },
      search: {
        method: 'asha',
        trials: 16,
        space: { leaves: { from: 7, to: 127, log: true, whole: true }, learningRate: { from: 0.02, to: 0.3, log: true }, l2: { from: 0.1, to: 30, log: true } },
      },
      evaluate: { metric: 'averagePrecision', costs: { yes: { no: 20 }, no: { yes: 1 } } },
      gate: { limits: { averagePrecision: { min: 0.3 } } },
    },
  },
  text: {
    title: 'Which class a short text belongs to',
    file: {
      v: 1,
      name: name('my-texts'),
      description: 'A linear model of words and pairs of words. spec.text lists the columns that are read as the text.',
      ingest: { files: ['texts.csv'], spec: { kind: 'text', label: 'label', text: ['text'] } },
      train: { kind: 'text-linear', wordGrams: 2 },
      gate: { limits: { accuracy: { min: 0.8 } } },
    },
  },
  images: {
    title: 'What a picture shows',
    file: {
      v: 1,
      name: name('my-pictures'),
      description: 'A small convolutional network. Pictures lie in one folder a class; a folder in ingest.files stands for all that is below it.',
      ingest: { files: ['pictures'], spec: { kind: 'images', format: 'folders' } },
      train: { kind: 'image-classifier', size: 64, epochs: 30 },
      gate: { limits: { accuracy: { min: 0.8 } } },
    },
  },
} as const satisfies Record<string, PipelineTemplate>;

export type PipelineTemplateName = keyof typeof pipelineTemplates;

/** The file as it is written: its schema beside it, for the editor. */
export const pipelineTemplateText = (template: PipelineTemplateName, schemaFile: string): string =>
  `${JSON.stringify({ $schema: schemaFile, ...pipelineTemplates[template].file }, undefined, 2)}\n`;
