import { queryOptions } from '@tanstack/react-query';
import type { Dataset, Source } from '@serin/protocol/api/datasets';
import type { Pipeline, Run, RunDetail } from '@serin/protocol/api/runs';
import type { ModelName } from '@serin/protocol/ids';
import { api } from './api.ts';
import { keys } from './keys.ts';

/** Data, runs and pipelines: apart from the other queries, so that only the pages about them carry it. */
const live = { staleTime: Infinity } as const;

export const datasetsQuery = queryOptions<readonly Dataset[]>({
  queryKey: keys.datasets,
  queryFn: async ({ signal }) => (await api('listDatasets', { signal })).items,
  ...live,
});
export const datasetVersionsQuery = (name: ModelName) =>
  queryOptions({
    queryKey: keys.datasetVersions(name),
    queryFn: async ({ signal }) => (await api('listDatasetVersions', { params: { name }, query: { limit: '500' }, signal })).items,
    ...live,
  });
export const datasetVersionQuery = (name: ModelName, version: number) =>
  queryOptions({
    queryKey: keys.datasetVersion(name, version),
    queryFn: ({ signal }) => api('getDatasetVersion', { params: { name, version: String(version) }, signal }),
    ...live,
  });
export const sourcesQuery = queryOptions<readonly Source[]>({
  queryKey: keys.sources,
  queryFn: async ({ signal }) => (await api('listSources', { signal })).items,
  ...live,
});

export const runsMax = 200;
export const runsQuery = queryOptions<readonly Run[]>({
  queryKey: keys.runs,
  queryFn: async ({ signal }) => (await api('listRuns', { query: { limit: String(runsMax) }, signal })).items,
  ...live,
});
const detailEveryMs = 2000;
/** The stream brings a run without its curves and its log: while it is running, these are asked for. */
export const runQuery = (id: string) =>
  queryOptions<RunDetail>({
    queryKey: keys.run(id),
    queryFn: ({ signal }) => api('getRun', { params: { id }, signal }),
    ...live,
    refetchInterval: ({ state }) => (state.data?.status === 'RUNNING' ? detailEveryMs : false),
  });
export const environmentQuery = (id: string) =>
  queryOptions({ queryKey: keys.environment(id), queryFn: ({ signal }) => api('getRunEnvironment', { params: { id }, signal }), staleTime: 30_000 });
export const comparisonQuery = (left: string, right: string) =>
  queryOptions({
    queryKey: keys.comparison(left, right),
    queryFn: ({ signal }) => api('compareRuns', { params: { id: left, other: right }, signal }),
    ...live,
  });
export const pipelinesQuery = queryOptions<readonly Pipeline[]>({
  queryKey: keys.pipelines,
  queryFn: async ({ signal }) => (await api('listPipelines', { signal })).items,
  ...live,
});
export const pipelineQuery = (name: ModelName) =>
  queryOptions({ queryKey: keys.pipeline(name), queryFn: ({ signal }) => api('getPipeline', { params: { name }, signal }), ...live });
