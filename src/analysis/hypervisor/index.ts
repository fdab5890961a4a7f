export { hypervisorFacts } from "./hypervisor-facts.ts";
