import type { RecordReason, RecordReply } from '@serin/device/ports';
import { columnStatistic, type DataRecord } from '@serin/inference/records';
import type { Preprocessing } from '@serin/protocol/bundle/preprocessing';
import type { Profile } from '@serin/protocol/bundle/profile';
import { asSerinError } from '@serin/protocol/errors';
import { html } from './dom.ts';
import { milliseconds, percent } from './format.ts';

export interface AskOptions {
  labels: readonly string[];
  preprocessing: Preprocessing;
  /** Tells the range of each number in the data the version was judged by. */
  profile: Profile | undefined;
  ask(record: DataRecord): Promise<RecordReply>;
}

interface Field {
  name: string;
  row: HTMLElement;
  /** Undefined where nothing was given. */
  read(): string | number | undefined;
}

type Column = Extract<Preprocessing, { kind: 'table' }>['columns'][number];

let fields = 0;

/** A long name may be parted where its words end. */
const breakable = (name: string): Node[] =>
  name.split(/(?<=[_./-])(?=.)/).flatMap((part, index) => (index === 0 ? [new Text(part)] : [html('wbr'), new Text(part)]));

function labelled(name: string, control: HTMLElement, read: Field['read']): Field {
  control.id = `field-${fields++}`;
  control.setAttribute('name', name);
  return { name, row: html('div', { class: 'field' }, html('label', { for: control.id }, ...breakable(name)), control), read };
}

function tableField(column: Column, profile: Profile | undefined): Field {
  const { name } = column;
  if (column.kind === 'category') {
    const choice = html('select', {}, html('option', { value: '' }, 'not known'), ...column.levels.map((level) => html('option', { value: level }, level)));
    return labelled(name, choice, () => (choice.value === '' ? undefined : choice.value));
  }
  const input = html('input', { type: 'number', step: 'any', placeholder: rangeOf(name, profile) ?? 'not known', autocomplete: 'off' });
  return labelled(name, input, () => (input.value === '' ? undefined : input.valueAsNumber));
}

const number = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 6 });
const short = (value: number): string => value.toLocaleString('en', { maximumSignificantDigits: 3, useGrouping: false });

function rangeOf(column: string, profile: Profile | undefined): string | undefined {
  const edges = profile?.statistics.find(({ name }) => name === columnStatistic(column))?.edges;
  const [low, high] = [edges?.[0], edges?.at(-1)];
  return low === undefined || high === undefined ? undefined : low === high ? short(low) : `${short(low)} to ${short(high)}`;
}

function textField(name: string, _: number, { length }: readonly string[]): Field {
  const area = html('textarea', { rows: 4, spellcheck: 'false', required: length === 1 });
  return labelled(name, area, () => (area.value === '' ? undefined : area.value));
}

function fieldsOf({ preprocessing, profile }: AskOptions): Field[] {
  if (preprocessing.kind === 'table') return preprocessing.columns.map((column) => tableField(column, profile));
  return [...new Set(preprocessing.fields.map(({ name }) => name))].map(textField);
}

function classParts(labels: readonly string[], { label, probabilities }: RecordReply): HTMLElement {
  const rows = probabilities.map((share, index) => ({ name: labels[index] ?? String(index), share }));
  return html(
    'div',
    { class: 'classes' },
    ...rows.flatMap(({ name, share }) => [
      html('span', { class: 'name', 'data-is': name === label ? 'answer' : 'other' }, name),
      html('meter', { min: 0, max: 1, value: share, 'aria-label': `Probability of ${name}` }),
      html('span', { class: 'share', 'data-share': share }, percent(share)),
    ]),
  );
}

/** Bars to the right speak for the answer, bars to the left against it. */
function reasonParts(reasons: readonly RecordReason[], isText: boolean): HTMLElement {
  const largest = Math.max(...reasons.map(({ contribution }) => Math.abs(contribution)), 1e-12);
  const digits = largest >= 100 ? 0 : largest >= 10 ? 1 : largest >= 1 ? 2 : 3;
  const rows = reasons.map(({ name, given, contribution }) => {
    const isAgainst = contribution < 0;
    const bar = html('span', { class: 'bar-of-reason', 'aria-hidden': true }, html('i', {}));
    bar.style.setProperty('--share', String(Math.abs(contribution) / largest));
    const known = given === undefined ? 'not\u00a0known' : html('strong', {}, given);
    const share = `${isAgainst ? '−' : '+'}${Math.abs(contribution).toFixed(digits)}`;
    return html(
      'li',
      { class: 'reason', 'data-reason': name, 'data-contribution': contribution, 'data-sign': isAgainst ? 'against' : 'for' },
      html('span', { class: 'name' }, ...(isText ? [known] : [...breakable(name), ' ', known])),
      bar,
      html('span', { class: 'share' }, share),
    );
  });
  return html('ol', { class: 'reasons' }, ...rows);
}

/** What was said about a record, and what made it so. */
function replyParts({ labels, preprocessing }: AskOptions, reply: RecordReply): Node[] {
  const { value, confidence, probabilities, reasons } = reply;
  const isValue = value !== undefined;
  const parts = [
    html(
      'p',
      { class: 'answer' },
      html('strong', { 'data-figure': 'prediction' }, isValue ? number(value) : (reply.label ?? '')),
      confidence === undefined ? undefined : html('span', { 'data-figure': 'confidence' }, `${percent(confidence)} sure`),
    ),
    probabilities.length === 0 ? undefined : classParts(labels, reply),
    reasons.length === 0 ? undefined : html('h3', {}, 'Why'),
    reasons.length === 0 ? undefined : reasonParts(reasons, preprocessing.kind === 'text'),
    html(
      'p',
      { class: 'note' },
      reasons.length === 0 ? '' : isValue ? 'What each adds to the value. ' : 'What speaks for the answer (+) and against it (−), in log-odds. ',
      `Answered in ${milliseconds(reply.ms)}; nothing of it left this page.`,
    ),
  ];
  return parts.filter((part) => part !== undefined);
}

function refusalParts(thrown: unknown): Node[] {
  const { message, hint, code } = asSerinError(thrown);
  return [html('p', { class: 'refused', 'data-code': code }, `${message}. ${hint}.`)];
}

const waitingText = 'Fill in what is known and ask. Grey numbers are the range in the data this version was judged by.';

/** A record to fill in, and what the model says about it. */
export function askView(options: AskOptions): HTMLElement {
  const rows = fieldsOf(options);
  const isTable = options.preprocessing.kind === 'table';
  const waiting = (): Node[] => [html('p', { class: 'note' }, isTable ? waitingText : 'Write a text and ask.')];
  const answer = html('div', { class: 'reply', role: 'status' }, ...waiting());
  const buttons = html('div', { class: 'buttons' }, html('button', { type: 'submit', class: 'primary' }, 'Ask'), html('button', { type: 'reset' }, 'Clear'));
  const form = html('form', { class: 'ask', autocomplete: 'off' }, html('div', { class: 'fields' }, ...rows.map(({ row }) => row)), buttons);
  let asked = 0;
  const onSubmit = async (): Promise<void> => {
    const record = Object.fromEntries(rows.flatMap(({ name, read }) => (read() === undefined ? [] : [[name, read()]])));
    const mine = ++asked;
    let parts: Node[];
    try {
      parts = replyParts(options, await options.ask(record));
    } catch (thrown) {
      parts = refusalParts(thrown);
    }
    // Whoever asks again meanwhile wants that answer.
    if (mine !== asked) return;
    answer.replaceChildren(...parts);
    // Beside the form it is in view already; below it, it may not be.
    answer.scrollIntoView({ block: 'nearest' });
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void onSubmit();
  });
  form.addEventListener('reset', () => {
    asked++;
    answer.replaceChildren(...waiting());
  });
  return html('section', { class: 'card wide asking', 'aria-label': 'Ask the model' }, html('header', {}, html('h2', {}, 'Ask the model')), form, answer);
}
