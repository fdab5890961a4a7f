import type { z } from "zod";
import type { DriverProgram } from "../drivers/driver.ts";

/** A way for a driver to behave that a scenario can choose, with the options it takes. */
export interface Behaviour<Name extends string, Options extends z.ZodObject> {
  readonly name: Name;
  /** One sentence, for people who write scenarios. */
  readonly summary: string;
  readonly options: Options;
  readonly program: (options: z.output<Options>) => DriverProgram;
}

/** Ties the options' type to the program's. */
export function behaviour<const Name extends string, Options extends z.ZodObject>(
  definition: Behaviour<Name, Options>,
): Behaviour<Name, Options> {
  return definition;
}
