/** A storage thread that stands still before it is ready. */
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
