import type { Db } from '../store/store.ts';
import type { JobEnd, JobRow } from './queue.ts';

/** How a finished result leaves its job, in the transaction that stores it. Both roll that transaction back when another worker has the job. */
export interface JobOutcome {
  finish(tx: Db, end: JobEnd): Promise<void>;
  /** Back into the queue, until somebody says that it is due. */
  wait(tx: Db, message: string): Promise<void>;
}

/** What a kind of job needs around its process. */
export interface JobHandler {
  /** Writes what the process needs into the folder of the job; what it returns is added to the environment of the process alone. */
  prepare(job: JobRow, folder: string): Promise<Readonly<Record<string, string>> | void>;
  /** Whether the folder holds a whole result: it was made before a crash of the server and only has to be taken. */
  isFinished(folder: string): Promise<boolean>;
  /** Takes the result over, and ends the job with it or lets it wait. */
  publish(job: JobRow, folder: string, outcome: JobOutcome): Promise<void>;
  /** What the process tells beside its progress. */
  takeNews?(job: JobRow, news: unknown): Promise<void>;
  /** Joins the transaction that ends the job without a result. */
  onEnd?(tx: Db, job: JobRow, end: JobEnd): Promise<void>;
}
