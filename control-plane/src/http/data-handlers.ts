import { SerinError } from '@serin/protocol/errors';
import type { dataRoutes } from '@serin/protocol/api/data-routes';
import type { Db } from '../store/store.ts';
import { findDatasetVersion, listDatasets, listDatasetVersions, listSources, viewDatasetVersionDetail } from '../views/data.ts';
import { findPipeline, findRunRow, listPipelines, listRuns, viewRunDetail } from '../views/runs.ts';
import type { Handlers } from './routes.ts';

export interface DataHandlerContext {
  db: Db;
}

export type DataHandlers = Pick<Handlers, keyof typeof dataRoutes>;

function found<Item>(item: Item | undefined, what: string): Item {
  if (item === undefined) throw new SerinError('NOT_FOUND', { detail: what });
  return item;
}

const notYet = async (): Promise<never> => {
  throw new SerinError('UNAVAILABLE');
};

/** Data, runs and pipelines, route by route. */
export function createDataHandlers({ db }: DataHandlerContext): DataHandlers {
  return {
    getUpload: notYet,
    sendUpload: notYet,
    listDatasets: async () => ({ items: await listDatasets(db) }),
    listDatasetVersions: async ({ params, query }) => ({ items: await listDatasetVersions(db, params.name, query.limit) }),
    getDatasetVersion: async ({ params: { name, version } }) =>
      viewDatasetVersionDetail(found(await findDatasetVersion(db, name, version), `version ${version} of ${name}`)),
    addDatasetVersion: notYet,
    releaseDatasetVersion: notYet,
    dropDatasetVersion: notYet,
    listSources: async () => ({ items: await listSources(db) }),
    setSource: notYet,
    readSource: notYet,
    removeSource: notYet,
    listPipelines: async () => ({ items: await listPipelines(db) }),
    async getPipeline({ params }) {
      const row = found(await findPipeline(db, params.name), `pipeline ${params.name}`);
      return { pipeline: found((await listPipelines(db, [row.name]))[0], `pipeline ${row.name}`), file: row.file };
    },
    runPipeline: notYet,
    listRuns: async ({ query }) => ({ items: await listRuns(db, query) }),
    getRun: async ({ params }) => viewRunDetail(found(await findRunRow(db, params.id), `run ${params.id}`)),
    compareRuns: notYet,
    repeatRun: notYet,
    getRunEnvironment: notYet,
  };
}
