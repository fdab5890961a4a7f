import type { Facts } from "../analysis/index.ts";
import { bold, columns, count, counted, green, printable, red } from "./style.ts";

type HypervisorFact = NonNullable<Facts["hypervisor"]>;

const CORRUPTIONS_SHOWN = 5;

/** `shadowEntries` as `shadow entries`. */
const words = (name: string): string => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** What the audit of a failed hypervisor came to: the answer, what it rests on, and the first of what is wrong. */
export function auditLines({ audit }: HypervisorFact): string[] {
  const { corruptions } = audit;
  const checked = Object.entries(audit.checked).filter(([, number]) => number > 0);
  const shown = corruptions
    .slice(0, CORRUPTIONS_SHOWN)
    .map(({ kind, partition, text }) => [bold(kind), printable(partition ?? ""), printable(text)]);
  const more = corruptions.length - shown.length;
  return [
    corruptions.length === 0 ? green("nothing wrong is found") : red(counted(corruptions.length, "corruption")),
    ...columns(shown),
    ...(more > 0 ? [`and ${count(more)} more: see --json`] : []),
    `checked: ${checked.map(([name, number]) => `${words(name)} ${count(number)}`).join(", ") || "nothing"}`,
    ...audit.unchecked.map(({ reason, count: number }) => `not checked: ${count(number)}, ${printable(reason)}`),
  ];
}

/** What of a failed hypervisor is in the dump. */
export function hypervisorInventory({ partitions, sharing }: HypervisorFact): string[] {
  const sum = (of: "addressSpaces" | "shadowPages") =>
    partitions.reduce((total, partition) => total + partition[of], 0);
  return [
    counted(partitions.length, "partition"),
    counted(sum("addressSpaces"), "address space"),
    counted(sum("shadowPages"), "shadow page"),
    counted(sharing.sharedPages, "shared page"),
  ];
}
