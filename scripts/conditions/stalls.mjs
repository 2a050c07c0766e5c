// Every thread of every process stands still now and then, each for itself, for up to STALL_MS (1200 if not set) milliseconds.
const most = Number(process.env.STALL_MS ?? '1200');
// Tests may replace the timers and the generator.
const later = setTimeout;
const soon = setImmediate;
const random = Math.random;
const cell = new Int32Array(new SharedArrayBuffer(4));

function stall() {
  Atomics.wait(cell, 0, 0, 20 + random() ** 3 * most);
  arm();
}

/** After timers or after I/O: both orders happen. */
function arm() {
  later(() => (random() < 0.5 ? stall() : soon(stall).unref()), 50 + random() * 900).unref();
}

arm();
