import type { Converted, DumpInfo, Unsealed, Verified } from "../archive/index.ts";
import { bold, counted, dim, green, printable, red, size, yellow } from "./style.ts";

const place = (offset: number | null): string => (offset === null ? "" : ` at byte ${offset}`);

/** Header and page map of a dump. */
export function dumpInfoScreen(info: DumpInfo): string {
  const { stopCode, sealed, problems } = info;
  return [
    "",
    `  ${bold(info.format)} · ${info.arch} · ${size(info.bytes)} · ${info.complete ? green("complete") : red("incomplete")}`,
    `  ${counted(info.pages, "page")} of ${size(info.pageSize)} in ${counted(info.runs, "run")} · ${counted(info.processors, "processor context")}`,
    ...(stopCode ? [`  stop code ${bold(stopCode.code)} (${stopCode.parameters.join(", ")})`] : []),
    ...(sealed ? [`  ${counted(sealed.pages, "private page")} sealed for ${sealed.recipients.join(", ")}`] : []),
    ...problems.map(({ code, message, offset }) => yellow(`  ${code}${place(offset)}: ${printable(message)}`)),
  ].join("\n");
}

/** Whether a crash folder or a dump is what it should be. */
export function verifyScreen({ whole, kind, files, bytes, problems, path }: Verified): string {
  const subject = kind === "crash" ? counted(files, "file") : "the dump";
  if (whole) return `  ${green("whole")}  ${subject}, ${size(bytes)} checked  ${dim(path)}`;
  return [
    `  ${red("not whole")}  ${dim(path)}`,
    ...problems.map(
      ({ code, file, message, offset }) => `  ${red(code)}  ${file ?? ""}${place(offset)}: ${printable(message)}`,
    ),
  ].join("\n");
}

/** Where the private pages went. */
export function unsealScreen({ pages, partition, bytes, file }: Unsealed): string {
  return `  ${counted(pages, "private page")} of ${partition}, ${size(bytes)}: ${bold(file)}`;
}

/** What was written, and where. */
export function convertScreen({ file, format, pages, bytes }: Converted): string {
  return `  ${counted(pages, "page")} as ${format}, ${size(bytes)}: ${bold(file)}`;
}
