import type { RecordReply } from '@serin/device/ports';
import type { DataRecord } from '@serin/inference/records';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import { asSerinError } from '@serin/protocol/errors';
import { html, setText } from './dom.ts';
import { milliseconds, percent } from './format.ts';

export interface AskOptions {
  labels: readonly string[];
  preprocessing: Preprocessing;
  ask(record: DataRecord): Promise<RecordReply>;
}

interface Field {
  name: string;
  row: HTMLElement;
  /** Undefined where nothing was given. */
  read(): string | number | undefined;
}

let fields = 0;

function labelled(name: string, control: HTMLElement, read: Field['read']): Field {
  control.id = `field-${fields++}`;
  return { name, row: html('div', { class: 'field' }, html('label', { for: control.id }, name), control), read };
}

function tableField(column: Extract<Preprocessing, { kind: 'table' }>['columns'][number]): Field {
  if (column.kind === 'category') {
    const choice = html('select', {}, html('option', { value: '' }, 'not known'), ...column.levels.map((level) => html('option', { value: level }, level)));
    return labelled(column.name, choice, () => (choice.value === '' ? undefined : choice.value));
  }
  const input = html('input', { type: 'number', step: 'any', placeholder: 'not known' });
  return labelled(column.name, input, () => (input.value === '' ? undefined : input.valueAsNumber));
}

function textField(name: string): Field {
  const area = html('textarea', { rows: 4, spellcheck: 'false' });
  return labelled(name, area, () => (area.value === '' ? undefined : area.value));
}

const fieldsOf = (preprocessing: Preprocessing): Field[] =>
  preprocessing.kind === 'table' ? preprocessing.columns.map(tableField) : [...new Set(preprocessing.fields.map(({ name }) => name))].map(textField);

const number = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 6 });

/** What was said about a record, and what made it so. */
function replyParts(labels: readonly string[], reply: RecordReply): (Node | undefined)[] {
  const largest = Math.max(...reply.reasons.map(({ contribution }) => Math.abs(contribution)), 1e-12);
  return [
    html(
      'p',
      { class: 'answer' },
      html('strong', { 'data-figure': 'prediction' }, reply.label ?? number(reply.value ?? Number.NaN)),
      reply.confidence === undefined ? undefined : html('span', { 'data-figure': 'confidence' }, `${percent(reply.confidence)} sure`),
    ),
    reply.probabilities.length === 0
      ? undefined
      : html(
          'div',
          { class: 'classes' },
          ...reply.probabilities.flatMap((share, index) => [
            html('span', { class: 'name', 'data-is': labels[index] === reply.label ? 'answer' : 'other' }, labels[index] ?? String(index)),
            html('meter', { min: 0, max: 1, value: share, 'aria-label': `Probability of ${labels[index] ?? index}` }),
            html('span', { class: 'share' }, percent(share)),
          ]),
        ),
    reply.reasons.length === 0 ? undefined : html('h3', {}, 'Why'),
    ...reply.reasons.map(({ name, given, contribution }) =>
      html(
        'div',
        { class: 'reason', 'data-sign': contribution < 0 ? 'against' : 'for' },
        html('span', { class: 'name' }, given === undefined ? name : `${name} ${given}`),
        html('meter', { min: 0, max: 1, value: Math.abs(contribution) / largest, 'aria-label': `What ${name} did to the answer` }),
        html('span', { class: 'share' }, `${contribution < 0 ? '−' : '+'}${number(Math.abs(contribution))}`),
      ),
    ),
    html('p', { class: 'note' }, `Answered in ${milliseconds(reply.ms)}; nothing of it left this page`),
  ];
}

/** A record to fill in, and what the model says about it. */
export function askView({ labels, preprocessing, ask }: AskOptions): HTMLElement {
  const rows = fieldsOf(preprocessing);
  const answer = html('div', { class: 'reply', role: 'status' }, html('p', { class: 'note' }, 'Fill in what is known and ask.'));
  const button = html('button', { type: 'submit' }, 'Ask');
  const form = html('form', { class: 'ask' }, html('div', { class: 'fields' }, ...rows.map(({ row }) => row)), button);
  const onSubmit = async (): Promise<void> => {
    const record = Object.fromEntries(rows.flatMap(({ name, read }) => (read() === undefined ? [] : [[name, read()]])));
    try {
      answer.replaceChildren(...replyParts(labels, await ask(record)).filter((part) => part !== undefined));
    } catch (thrown) {
      const { message, hint } = asSerinError(thrown);
      const refusal = html('p', { class: 'refused' });
      setText(refusal, `${message}. ${hint}.`);
      answer.replaceChildren(refusal);
    }
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void onSubmit();
  });
  return html('section', { class: 'card wide asking', 'aria-label': 'Ask the model' }, html('header', {}, html('h2', {}, 'Ask the model')), form, answer);
}
