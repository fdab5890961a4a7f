// biome-ignore lint/suspicious/noExplicitAny: a method of any parameters; its own type is kept by the caller
type Method = (...parameters: any[]) => unknown;

/**
 * Stands in for one method of one object, as its own property, until it is disarmed. Nothing of it is there before or after, so
 * a hypervisor that is neither watched nor made to fail does not even ask.
 * @param strike called in place of the method, with the method itself
 */
export function standIn<Name extends string, T extends Record<Name, Method>>(
  target: T,
  name: Name,
  strike: (original: T[Name], ...parameters: Parameters<T[Name]>) => ReturnType<T[Name]>,
): { readonly disarm: () => void } {
  const original = target[name].bind(target) as T[Name];
  const own = target as Record<Name, unknown>;
  own[name] = (...parameters: Parameters<T[Name]>) => strike(original, ...parameters);
  return { disarm: () => delete own[name] };
}
