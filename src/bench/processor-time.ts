/**
 * What a function gives, and the milliseconds of processor time that this process has spent on it, the compiler's and the collector's
 * threads included: what other work on the machine takes is not in it.
 */
export function timed<T>(work: () => T): [T, number] {
  const begun = process.cpuUsage();
  const made = work();
  const { user, system } = process.cpuUsage(begun);
  return [made, (user + system) / 1000];
}
