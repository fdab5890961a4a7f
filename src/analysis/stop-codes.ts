/**
 * Windows stop codes as such, for whoever has no dump: their names, and what is known of their parameters. Rules may read this
 * without entering the room.
 */
export { valueText } from "./nt/parameter-values.ts";
export { type ParameterKind, parameterMeanings } from "./nt/stop-code-parameters.ts";
export { baseStopCode, EXCEPTION_CONTEXT, stopCodeName, stopCodes } from "./nt/stop-codes.ts";
