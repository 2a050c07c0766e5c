/** The memtable. */
export { Memtable, type FlushDoc, type MemtableOptions } from './memtable.ts';
