/** A worker that cannot start. */
throw new Error('this worker does not start');
