/** What editor authors import as `cairn/protocol`: wire types, the method table, error numbers, limits, endpoint. */
export * from './endpoint.ts';
export * from './errors.ts';
export * from './limits.ts';
export * from './methods.ts';
export * from './types.ts';
