import { z } from "zod";

/** A file right inside the crash folder: never a path, so that a manifest from elsewhere cannot lead out of its folder. */
const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, "a plain file name");
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits");
const count = z.number().int().nonnegative();

/** Private pages under seal, in a file of their own. */
const seal = z.strictObject({
  file: fileName,
  /** Whose pages they are. */
  partition: z.string(),
  pages: count,
  recipients: z.array(z.string()),
  /** Sealed page frames, so that a reader can tell sealed from absent: guest frames, in the dump of a machine its own. */
  runs: z.array(z.strictObject({ firstPage: count, pageCount: count })),
});

/**
 * `crash.json`, the manifest of one crash folder. It is written last, after everything else was synced to disk:
 * a folder without it is incomplete, whatever else is in it.
 */
export const manifest = z.strictObject({
  schema: z.literal("stopcode/crash/2"),
  id: fileName,
  /** ISO 8601, UTC: when the partition stopped, by the host's clock. */
  at: z.string(),
  host: z.string(),
  partition: z.string(),
  boot: z.number().int().nullable(),
  stopCode: z.strictObject({ code: z.string(), parameters: z.array(z.string()) }).nullable(),
  /** Null for a partition that left only its descriptor. */
  dump: z
    .strictObject({
      file: fileName,
      format: z.string(),
      pages: count,
      memoryBytes: count,
    })
    .nullable(),
  /** One for each owner: of a partition's dump one at most, of a machine's as many as there are partitions with private pages. */
  sealed: z.array(seal),
  /** Partitions that were asked for and left out, with the reason. */
  skipped: z.array(z.strictObject({ partition: z.string(), reason: z.string() })),
  armed: z.array(z.strictObject({ check: z.string(), target: z.string().nullable() })),
  /** Every other file of the folder: its size and sha256, so that `dump verify` can tell a flipped bit. */
  files: z.array(z.strictObject({ name: fileName, bytes: count, sha256 })),
});

const firstVersion = z.looseObject({
  schema: z.literal("stopcode/crash/1"),
  partition: z.string(),
  sealed: z.looseObject({}).nullable(),
});

/** A manifest as it may lie on a disk. Version 1 had one seal at most, of the partition that crashed. */
export const storedManifest = z.preprocess((document: unknown) => {
  const first = firstVersion.safeParse(document);
  if (!first.success) return document;
  const { sealed, partition } = first.data;
  return { ...first.data, schema: "stopcode/crash/2", sealed: sealed === null ? [] : [{ partition, ...sealed }] };
}, manifest);

export type Seal = z.infer<typeof seal>;
export type Manifest = z.infer<typeof manifest>;
/** Private pages of a crash that lie under seal, of all owners. */
export const sealedPages = ({ sealed }: Pick<Manifest, "sealed">): number =>
  sealed.reduce((sum, { pages }) => sum + pages, 0);

export type ManifestFile = Manifest["files"][number];

/** The manifest's name; until it stands, the folder is incomplete. */
export const MANIFEST = "crash.json";
