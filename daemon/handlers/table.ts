/** The one table of methods; complete by its type. */
import type { MethodTable } from '../rpc/table.ts';
import { backupMethods } from './backups.ts';
import { graphMethods } from './graph.ts';
import { importMethods } from './import.ts';
import { indexMethods } from './indexes.ts';
import { repairMethods } from './repair.ts';
import { searchMethods } from './search.ts';
import { serviceMethods } from './service.ts';
import type { Services } from './services.ts';
import { vectorMethods } from './vectors.ts';

export function methodTable(services: Services): MethodTable {
  const table: MethodTable = {
    ...serviceMethods(services, () => table),
    ...indexMethods(services),
    ...repairMethods(services),
    ...backupMethods(services),
    ...searchMethods(services),
    ...graphMethods(services),
    ...vectorMethods(services),
    ...importMethods(services),
  };
  return table;
}
