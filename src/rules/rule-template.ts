import { listOf } from "../document/index.ts";

/** A rule to begin with: right as it stands, and different in every line from what its author will want. */
export const firstRule = (id: string): string => `id: ${id}
# draft: diagnose does not ask it yet · test: it does · stable: it does, and the rule must be tested
status: draft
severity: high
summary: say here which crash ${id} recognises
# The facts it cannot do without: where one is missing, the rule is skipped and says so.
requires: [crash.stopCode.code, crash.stack]
# Names for what is needed more than once.
let:
  driver: driverOnStack()
# All of these must hold. \`stopcode analyze CRASH --json\` shows the facts there are.
when:
  - hex(crash.stopCode.code) == 0xd1
  - driver == "example.sys"
# identified: a check caught it · probable: nothing else is pointed at · suspect: it fits, others would too
verdict: suspect
title: "{{driver}} touched {{toHex(parameter(1))}} at IRQL {{parameter(2)}}"
culprit: {kind: driver, name: "{{driver}}"}
evidence:
  - text: the instruction that failed is at {{toHex(parameter(4))}}
advice: update or remove {{driver}}
`;

/** A pack whose only rule is the first one. */
export const firstPack = (pack: string, owner: string, id: string): string => `pack:
  id: ${pack}
  version: "0.1.0"
  title: say here what the rules of ${pack} are about
  owner: ${JSON.stringify(owner)}
${listOf("rules", firstRule(id))}`;

const parameters = `[{value: "0x28"}, {value: "0x2"}, {value: "0x1"}, {value: "0xfffff80000001010"}]`;

/** Cases for the first rule: it fires, each of its conditions keeps it quiet, and a real crash is still to be had. */
export const firstCases = (id: string): readonly string[] => [
  `name: example.sys uses an address that is none
rule: ${id}
facts:
  crash:
    stopCode: {code: "0xd1", parameters: ${parameters}}
    stack: [{module: example.sys, via: context}]
expect: fire
verdict: suspect
title: example.sys touched 0x28 at IRQL 2
culprit: example.sys
`,
  `name: another driver
rule: ${id}
facts:
  crash: {stopCode: {code: "0xd1", parameters: []}, stack: [{module: other.sys, via: context}]}
expect: quiet
`,
  `name: another stop code
rule: ${id}
facts:
  crash: {stopCode: {code: "0x9f", parameters: []}, stack: [{module: example.sys, via: context}]}
expect: quiet
`,
  `name: a real crash of the kind
rule: ${id}
todo: replace it by what \`stopcode rules record CRASH --rule ${id}\` makes of one
facts: {}
expect: fire
`,
];
