/**
 * How failures look on the wire: JSON-RPC's numeric `code` is for generic clients, `data.code` (a cairn error code) is what to
 * compare. Imports nothing but types.
 */
import type { ErrorData } from './types.ts';

/** JSON-RPC error numbers that are not the same for every failure; all other cairn codes use `SERVER_ERROR`. */
export const ERROR_NUMBERS: Readonly<Record<string, number>> = {
  PARSE: -32700,
  PROTOCOL: -32600,
  UNKNOWN_METHOD: -32601,
  INVALID_ARGUMENT: -32602,
  INTERNAL: -32603,
  NOT_SERVING: -32002,
  UNAUTHORIZED: -32003,
  VERSION_SKEW: -32004,
  OVERLOADED: -32005,
  TIMEOUT: -32006,
  CANCELLED: -32800,
};
export const SERVER_ERROR = -32000;

export interface WireError {
  readonly code: number;
  readonly message: string;
  readonly data: ErrorData;
}

/** The JSON-RPC number for a cairn code. */
export function errorNumber(code: string): number {
  return ERROR_NUMBERS[code] ?? SERVER_ERROR;
}
