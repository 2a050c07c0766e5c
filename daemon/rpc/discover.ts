/** The OpenRPC document of the daemon, made from the same table and schemas that requests are checked with. */
import type { DiscoverResult } from '../protocol/types.ts';
import { jsonSchemaOf } from './schema.ts';
import type { MethodDefinition, MethodTable } from './table.ts';

export function openRpcDocument(table: MethodTable, version: string): DiscoverResult {
  return {
    openrpc: '1.3.2',
    info: { title: 'cairn daemon', version },
    methods: Object.entries(table).map(([name, method]) => describe(name, method as MethodDefinition)),
  };
}

function describe(name: string, method: MethodDefinition): DiscoverResult['methods'][number] & { readonly paramStructure: string; readonly 'x-lane': string } {
  const schema = jsonSchemaOf(method.params);
  const required = new Set(schema.required ?? []);
  return {
    name,
    summary: method.summary,
    paramStructure: 'by-name',
    params: Object.entries(schema.properties ?? {}).map(([param, of]) => ({ name: param, required: required.has(param), schema: of })),
    result: { name: `${name} result`, description: `See the section ${name} of PROTOCOL.md.`, schema: { type: 'object' } },
    'x-lane': method.lane,
  };
}
