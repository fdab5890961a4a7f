import { hex } from "../../binary/index.ts";
import { dumpHeader64, PAGE_SIGNATURE, unicodeString64 } from "../../dumpfile/index.ts";
import { bugCheck } from "../faults/bug-check.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Services } from "../kernel/services.ts";
import type { Thread } from "../threads/thread.ts";
import type { Routine } from "../threads/wait.ts";

const INACCESSIBLE_BOOT_DEVICE = 0x7b;
/** The boot volume, as firmware names it. */
const ARC_NAME = "\\ArcName\\multi(0)disk(0)rdisk(0)partition(1)";

/**
 * Mounts the boot volume: its first page is read. Where it cannot be, the guest stops with 0x7B: the address of the UNICODE_STRING that
 * names the volume, and the NTSTATUS of the read. A guest without a disk has nothing to mount.
 */
export function* mountBootDevice(kernel: Kernel, services: Services, thread: Thread): Routine {
  const { pageFile } = kernel;
  if (pageFile === null) return;
  thread.enter(kernel.images.find("nt!IopMarkBootPartition"));
  let status = 0;
  const header = new Uint8Array(dumpHeader64.size);
  yield* services.keWaitForSingleObject(thread, (wake) =>
    pageFile.read(0, (ended, bytes) => {
      status = ended;
      header.set(bytes);
      wake();
    }),
  );
  if (status !== 0) {
    const name = kernel.allocate(unicodeString64.size, "IoNm");
    kernel.memory.putUnicodeString(name, kernel.allocate(ARC_NAME.length * 2 + 2, "IoNm"), ARC_NAME);
    bugCheck(kernel, thread, INACCESSIBLE_BOOT_DEVICE, [name, BigInt(status), 0n, 0n]);
  }
  const { signature, bugCheckCode, numberOfPages } = dumpHeader64.read(header);
  if (signature === PAGE_SIGNATURE)
    kernel.print(`the page file holds a dump of the last stop, ${hex(bugCheckCode)}: ${numberOfPages} pages`);
  thread.leave();
}
