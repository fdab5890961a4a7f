import type { CrashFolder, Seal } from "../archive/index.ts";
import { type DumpImage, elfVmcore, type PageSource } from "../dumpfile/index.ts";
import { sealingOverhead, sealStream } from "../seal/index.ts";
import { pagesIn } from "./page-runs.ts";

/** Private pages of one partition that are about to be sealed, and what the manifest will say of them. */
export interface PlannedSeal {
  readonly seal: Seal;
  /** The pages in clear, as an ELF core: goes to no disk but through the cipher. */
  readonly image: DumpImage;
}

/** @param owner whose pages they are, and the age recipients they are sealed for, at least one */
export function plannedSeal(
  file: string,
  owner: { readonly partition: string; readonly recipients: readonly string[] },
  pages: PageSource,
): PlannedSeal {
  const image = elfVmcore({ processors: [], notes: [], pages });
  const { partition, recipients } = owner;
  return {
    seal: { file, partition, pages: image.pages, recipients: [...recipients], runs: [...pages.runs] },
    image,
  };
}

/** What the sealed file will have. */
export const sealedBytes = ({ seal, image }: PlannedSeal): number =>
  image.bytes + sealingOverhead(image.bytes, seal.recipients.length);

/** @throws StopcodeError `io/…` */
export async function addSealed(
  folder: CrashFolder,
  { seal, image }: PlannedSeal,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await folder.addStream(seal.file, sealStream(image.chunks(), seal.recipients), onBytes);
}

/** What a manifest says of private pages that nobody is named for. */
export const withoutRecipient = (partition: string, pages: PageSource["runs"]) => ({
  partition,
  reason: `no recipient: ${pagesIn(pages)} private pages are not kept`,
});
