/** Closing several things: all of them are closed, whatever becomes of each; then the first error is thrown. */
export async function closeAll(all: Iterable<{ close(): Promise<void> }>): Promise<void> {
  const results = await Promise.allSettled([...all].map((one) => one.close()));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
