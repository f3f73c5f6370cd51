/** Names of everything in the cache. */
export const keys = {
  session: ['session'] as const,
  overview: ['overview'] as const,
  /** Recent overviews, for the small curves beside the key figures. */
  rates: ['rates'] as const,
  devices: ['devices'] as const,
  device: (id: string) => ['device', id] as const,
  history: (id: string) => ['history', id] as const,
  models: ['models'] as const,
  versions: (name: string) => ['models', name, 'versions'] as const,
  rollouts: ['rollouts'] as const,
  rollout: (id: string) => ['rollout', id] as const,
  jobs: ['jobs'] as const,
  alerts: ['alerts'] as const,
  samples: (filter: { model?: string; device?: string }) => ['samples', filter] as const,
  tokens: ['tokens'] as const,
  audit: ['audit'] as const,
};
