/** First build of each Windows release, newest first: what people call the build number in a dump. */
const RELEASES: readonly (readonly [firstBuild: number, workstation: string, server: string])[] = [
  [26100, "Windows 11", "Windows Server 2025"],
  [22000, "Windows 11", "Windows Server"],
  [20348, "Windows 10", "Windows Server 2022"],
  [18362, "Windows 10", "Windows Server"],
  [17763, "Windows 10", "Windows Server 2019"],
  [14393, "Windows 10", "Windows Server 2016"],
  [10240, "Windows 10", "Windows Server 2016"],
  [9600, "Windows 8.1", "Windows Server 2012 R2"],
  [9200, "Windows 8", "Windows Server 2012"],
  [7600, "Windows 7", "Windows Server 2008 R2"],
  [6000, "Windows Vista", "Windows Server 2008"],
];

const WORKSTATION = 1;

/** @param productType 1 workstation, 2 domain controller, 3 server; null when the dump does not tell */
export function releaseName(build: number, productType: number | null): string | null {
  const found = RELEASES.find(([firstBuild]) => build >= firstBuild);
  if (!found || build >= 0xffff) return null;
  return productType === null || productType === WORKSTATION ? found[1] : found[2];
}

const UNIX_EPOCH = 116_444_736_000_000_000n; // 1970-01-01 as a FILETIME
const LATEST_YEAR = 3000;

/** A FILETIME (100 ns since 1601-01-01 UTC) as ISO 8601; null for zero and for times no clock shows. */
export function fileTimeText(time: bigint | null): string | null {
  if (time === null || time < UNIX_EPOCH) return null;
  const date = new Date(Number((time - UNIX_EPOCH) / 10_000n));
  return Number.isNaN(date.getTime()) || date.getUTCFullYear() > LATEST_YEAR ? null : date.toISOString();
}

/** A time span in 100 ns as seconds; null beyond a century, which no uptime reaches. */
export function spanSeconds(span: bigint | null): number | null {
  const seconds = span === null ? Number.NaN : Number(span) / 1e7;
  return seconds < 100 * 366 * 86_400 ? seconds : null;
}
