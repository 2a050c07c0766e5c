/** File names of a rotated log: `daemon.log` is written, `daemon.log.1` is the newest old one. Owns nothing that is open. */
import { existsSync, renameSync, rmSync } from 'node:fs';

/** Shifts `path` to `path.1`, `path.1` to `path.2` …; what would become number `keep + 1` is removed. */
export function shiftLogs(path: string, keep: number): void {
  rmSync(`${path}.${keep}`, { force: true });
  for (let n = keep - 1; n >= 1; n--) if (existsSync(`${path}.${n}`)) renameSync(`${path}.${n}`, `${path}.${n + 1}`);
  if (existsSync(path)) renameSync(path, `${path}.1`);
}
