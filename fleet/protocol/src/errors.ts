/**
 * Every fault a person can meet, once: the code is stable, the sentence says what happened,
 * the hint says what to do. docs/errors.md is generated from this and a test keeps them equal.
 */
export const errorCatalogue = {
  // configuration and start
  CONFIG_INVALID: {
    message: 'A setting is unknown or malformed',
    hint: 'The line names the key, the value and the rule; `--help` lists every setting',
    status: 500,
  },
  DATA_LOCKED: { message: 'Another process uses this data folder', hint: 'Stop the other process, or choose another folder with --data', status: 500 },
  DATA_NEWER: { message: 'The data was written by a newer version', hint: 'Run the newer version, or restore a backup made by this one', status: 500 },
  PORT_TAKEN: { message: 'A port is already in use', hint: 'Stop the program that holds it, or choose another port; 0 picks a free one', status: 500 },
  LISTENER_INSECURE: {
    message: 'A plain-text listener or broker address outside this machine is refused',
    hint: 'Use TLS, keep it on loopback, or say --insecure knowingly',
    status: 500,
  },
  DISK_FULL: { message: 'The disk is full', hint: 'Free some space; work goes on by itself afterwards', status: 507 },
  DATABASE_UNREACHABLE: {
    message: 'The database does not answer',
    hint: 'Check DATABASE_URL and that the server runs; it is tried again by itself',
    status: 503,
  },
  BROKER_UNREACHABLE: { message: 'The broker does not answer', hint: 'Check MQTT_URL and that the broker runs; it is tried again by itself', status: 503 },
  SERVER_UNREACHABLE: { message: 'The control plane does not answer', hint: 'Check the address and that the server runs', status: 503 },
  START_FAILED: { message: 'A part did not start', hint: 'The cause is named beside this message', status: 500 },
  // requests
  BAD_REQUEST: { message: 'The request is malformed', hint: 'The details name the field and the rule', status: 400 },
  NOT_SIGNED_IN: { message: 'Sign in first', hint: 'Open the one-time link that the server printed, or send a token', status: 401 },
  TOKEN_INVALID: { message: 'The token or link is unknown, used or expired', hint: 'Make a new one', status: 401 },
  FORBIDDEN: { message: 'Your role may not do this', hint: 'Ask an administrator', status: 403 },
  NOT_FOUND: { message: 'There is nothing by that name', hint: 'List what exists and check the spelling', status: 404 },
  CONFLICT: { message: 'The state has changed meanwhile', hint: 'Look at the present state and try again', status: 409 },
  TOO_LARGE: { message: 'The body is larger than the limit', hint: 'The details name the limit', status: 413 },
  TOO_MANY_REQUESTS: { message: 'Too many requests', hint: 'Wait a moment', status: 429 },
  UNAVAILABLE: { message: 'The service cannot answer now', hint: 'Try again shortly', status: 503 },
  INTERNAL: { message: 'Something went wrong in the server', hint: 'The log of the server has the cause under this request id', status: 500 },
  // joining
  JOIN_TOKEN_MALFORMED: { message: 'The join token is malformed', hint: 'Copy it whole; it begins with SRN1.', status: 400 },
  JOIN_CLAIM_INVALID: {
    message: 'The join token is unknown, used or expired',
    hint: 'Make a new one in the console or with `serin device enrol`',
    status: 401,
  },
  JOIN_SERVER_MISMATCH: {
    message: 'The server is not the one the token was made for',
    hint: 'Check the address; if it is right, somebody is in between',
    status: 400,
  },
  JOIN_NAME_TAKEN: { message: 'A device by that name exists', hint: 'Choose another name, or revoke the old device first', status: 409 },
  JOIN_REQUEST_INVALID: { message: 'The certificate request is not acceptable', hint: 'It must be self-signed, P-256, and carry no extra names', status: 400 },
  NOT_JOINED: { message: 'This device has not joined a fleet', hint: 'Run it once with --join <url> and a token', status: 500 },
  DEVICE_REVOKED: { message: 'This device has been revoked', hint: 'Enrol it again if that was a mistake', status: 403 },
  // trust and bundles
  SIGNATURE_INVALID: { message: 'A signed document is not signed by a key this device trusts', hint: 'Check who signed it; nothing was changed', status: 400 },
  BUNDLE_SIGNATURE_INVALID: {
    message: 'The bundle is not signed by a trusted release key',
    hint: 'Sign it with a release key of the present keyset; the device stays on its version',
    status: 400,
  },
  BUNDLE_DIGEST_MISMATCH: {
    message: 'A file of the bundle does not have the promised digest',
    hint: 'The file was damaged or changed; publish the version again',
    status: 400,
  },
  BUNDLE_MANIFEST_INVALID: { message: 'The manifest is malformed', hint: 'Publish the version again with a matching server', status: 400 },
  BUNDLE_WRONG_FLEET: { message: 'The bundle was made for another fleet or model', hint: 'Publish it in the fleet it is meant for', status: 400 },
  BUNDLE_TOO_NEW: { message: 'The bundle needs a newer agent', hint: 'Update the agent first', status: 400 },
  BUNDLE_TOO_LARGE: { message: 'The bundle is larger than this device accepts', hint: 'Make it smaller or raise the limit of the device', status: 413 },
  BUNDLE_NO_VARIANT: { message: 'The bundle has no variant this device can run', hint: 'Publish one for this target', status: 400 },
  BUNDLE_DENIED: { message: 'This digest failed here before', hint: 'Publish a new version; a newer signed order allows another attempt', status: 400 },
  KEYSET_INVALID: { message: 'The keyset is not signed by the trusted root', hint: 'Publish the keyset signed by the old and the new root', status: 400 },
  KEYSET_ROLLBACK: { message: 'The keyset is older than the one in use, or skips a version', hint: 'Publish the versions in order', status: 400 },
  METADATA_EXPIRED: {
    message: 'A signed document has expired',
    hint: 'The device keeps running and installs nothing new; check its clock and the server',
    status: 400,
  },
  REVISION_STALE: { message: 'A document is older than the one in use', hint: 'Nothing to do: it was ignored', status: 409 },
  BLOB_NOT_FOUND: { message: 'No blob has that digest', hint: 'Publish the version again', status: 404 },
  TRANSFER_STALLED: { message: 'The download stalled', hint: 'It resumes by itself; check the connection', status: 503 },
  TRANSFER_BUDGET_SPENT: { message: 'The download used up its attempts or bytes', hint: 'A newer order starts it again', status: 503 },
  CHUNK_INVALID: { message: 'A chunk does not have the promised digest', hint: 'It is asked for again', status: 400 },
  // device
  MODEL_LOAD_FAILED: {
    message: 'The inference runtime cannot load the model',
    hint: 'Check its operators and opset against the runtime of the device',
    status: 400,
  },
  GOLDEN_MISMATCH: {
    message: 'The model does not reproduce its golden vectors on this device',
    hint: 'The variant does not suit this hardware; publish another',
    status: 400,
  },
  MEMORY_SHORT: { message: 'The device has too little memory for this variant', hint: 'A smaller variant serves, if there is one', status: 507 },
  INFERENCE_CRASHED: { message: 'The inference process ended by itself', hint: 'It is started again; see the log of the device', status: 500 },
  PROBATION_FAILED: {
    message: 'The new version failed its probation on the device',
    hint: 'The device went back by itself; see the counters of the trial',
    status: 500,
  },
  TRIAL_INTERRUPTED: { message: 'The trial was interrupted too often', hint: 'The device went back; look for restarts or power loss', status: 500 },
  UPDATE_STATE_LIMIT: { message: 'The update took too many steps', hint: 'The device gave up to protect itself; a newer order starts again', status: 500 },
  JOURNAL_CORRUPT: { message: 'The update journal is unreadable', hint: 'The device runs its committed version; check its disk', status: 500 },
  SPOOL_OVERFLOW: {
    message: 'The telemetry spool is full; the oldest windows were dropped',
    hint: 'The number dropped is reported; check the connection',
    status: 507,
  },
  // browser
  CONTEXT_INSECURE: {
    message: 'The page is not in a secure context, so the browser gives it no cryptography',
    hint: 'Open it over HTTPS, or as http://localhost',
    status: 400,
  },
  BROWSER_UNSUPPORTED: {
    message: 'This browser lacks something that verifying or running the model needs',
    hint: 'The details name it; use a newer browser',
    status: 400,
  },
  // messages
  MESSAGE_MALFORMED: { message: 'A message does not follow the protocol', hint: 'It was counted and ignored; check the version of the sender', status: 400 },
  MESSAGE_TOO_LARGE: { message: 'A message is larger than the limit', hint: 'It was counted and ignored', status: 413 },
  PROTOCOL_UNSUPPORTED: { message: 'The device speaks a protocol this server does not', hint: 'Update the older side', status: 400 },
  TOPIC_UNKNOWN: { message: 'A message came on a topic nobody owns', hint: 'It was counted and ignored', status: 400 },
  // models
  MODEL_INVALID: { message: 'The file is not a model that can be served', hint: 'The details say what is wrong', status: 400 },
  MODEL_UNSUPPORTED: { message: 'The model uses something that is not supported', hint: 'The details name it', status: 400 },
  CALIBRATION_MISFIT: {
    message: 'The calibration data does not fit the model',
    hint: 'The details name the input and say what the model takes',
    status: 400,
  },
  CALIBRATION_NOT_FINITE: {
    message: 'The model computes infinities or no numbers at all from the calibration data',
    hint: 'Look for broken examples, or for a model that diverged; the details name the value',
    status: 400,
  },
  TRAINING_DIVERGED: { message: 'The loss became infinite or not a number', hint: 'Lower the learning rate, or look for broken examples', status: 500 },
  TRAINING_DATA_INSUFFICIENT: { message: 'There are too few labelled examples', hint: 'Collect more and try again', status: 400 },
  TRAINING_SOURCE_FAILED: {
    message: 'What prepares the training batches failed',
    hint: 'The details have its error: mend the data or the code that reads it',
    status: 500,
  },
  TRAINING_DATA_INVALID: { message: 'The training data has mistakes', hint: 'The details list them by file; mend or remove these and try again', status: 400 },
  DATA_ANOMALOUS: {
    message: 'The data has anomalies that must be looked at first',
    hint: 'The details list them by column, file and row; mend the data, or accept their kinds knowingly',
    status: 409,
  },
  UPLOAD_MISMATCH: {
    message: 'A file that was sent does not have the digest it was announced with',
    hint: 'It changed while it was sent; nothing of it was kept, so send it again',
    status: 409,
  },
  DATASET_DAMAGED: {
    message: 'A file of a dataset is missing or has changed',
    hint: 'Restore it from a backup, or make the version again from its files',
    status: 500,
  },
  SOURCE_FAILED: {
    message: 'A source of data could not be read',
    hint: 'The details say why; nothing of it was used, and it is read again on schedule',
    status: 502,
  },
  PIPELINE_INVALID: { message: 'The pipeline file is malformed', hint: 'The details name each field and its rule', status: 400 },
  IMPORT_SPEC_INVALID: { message: 'What is said of the model is malformed', hint: 'The details name each field and its rule', status: 400 },
  CHECKPOINT_INVALID: { message: 'The checkpoint cannot be gone on from', hint: 'Begin anew, or give the settings the run began with', status: 400 },
  GATE_FAILED: { message: 'The version did not pass its gate', hint: 'The checks name the number, the limit and the distance', status: 409 },
  JOB_FAILED: { message: 'The job ended with an error', hint: 'Its log has the cause', status: 500 },
  JOB_CRASHED: { message: 'The process of the job ended by itself', hint: 'Its log tail has the last words; it is tried again within limits', status: 500 },
  CANCELLED: { message: 'It was cancelled', hint: 'Start it again when you want it', status: 409 },
  ROLLOUT_TRANSITION_UNKNOWN: {
    message: 'The rollout has no transition for this event',
    hint: 'This is a fault of the program; the rollout is held',
    status: 500,
  },
  UPDATE_TRANSITION_UNKNOWN: {
    message: 'The update has no transition for this event',
    hint: 'This is a fault of the program; the device keeps its version',
    status: 500,
  },
} as const satisfies Record<string, { message: string; hint: string; status: number }>;

export type ErrorCode = keyof typeof errorCatalogue;

export interface ErrorDetails {
  /** What exactly: the field, the path, the number. Never a secret. */
  detail?: string;
  hint?: string;
  cause?: unknown;
}

export class SerinError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly detail: string | undefined;

  constructor(code: ErrorCode, { detail, hint, cause }: ErrorDetails = {}) {
    const { message, hint: usualHint } = errorCatalogue[code];
    super(detail === undefined ? message : `${message}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = 'SerinError';
    this.code = code;
    this.detail = detail;
    this.hint = hint ?? usualHint;
  }

  get status(): number {
    return errorCatalogue[this.code].status;
  }
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errorCatalogue, value);
}

/** The coded error behind anything thrown; faults nobody foresaw become `fallback` with their cause. */
export function asSerinError(thrown: unknown, fallback: ErrorCode = 'INTERNAL'): SerinError {
  if (thrown instanceof SerinError) return thrown;
  const code = (thrown as { code?: unknown } | null)?.code;
  if (code === 'ENOSPC') return new SerinError('DISK_FULL', { cause: thrown });
  return new SerinError(fallback, { detail: thrown instanceof Error ? thrown.message : String(thrown), cause: thrown });
}

/** One line for a terminal: code, what, what to do. */
export function describeError(error: SerinError): string {
  return `${error.code}: ${error.message}. ${error.hint}.`;
}
