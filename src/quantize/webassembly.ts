/** The part of the WebAssembly API that is used here, typed: neither the ES nor the Node type library declares it. */

export interface SharedMemory {
  /** A new object after each growth; older ones stay valid for their own length. */
  readonly buffer: SharedArrayBuffer;
  /** Pages of 64 KiB; throws a RangeError beyond the maximum. */
  grow(pages: number): number;
}

/** Opaque compiled code. */
export interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

interface WebAssemblyApi {
  readonly Memory: new (limits: { initial: number; maximum: number; shared: true }) => SharedMemory;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Instance: new (module: WasmModule, imports: { cairn: { memory: SharedMemory } }) => { readonly exports: Readonly<Record<string, unknown>> };
  validate(bytes: Uint8Array): boolean;
}

export const webAssembly = (globalThis as unknown as { readonly WebAssembly: WebAssemblyApi }).WebAssembly;
