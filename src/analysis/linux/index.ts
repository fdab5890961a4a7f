export { linuxFacts } from "./linux-facts.ts";
