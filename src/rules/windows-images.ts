/**
 * Which images Windows itself brings. A stack or a stop code that points into them names the place where a fault showed, seldom
 * the one who caused it: blaming `ntoskrnl` helps nobody (ecosystem.md section 1). The lists hold the names a crash meets often;
 * a name that is not here is taken for a third party's, which is why such findings are never more than probable.
 */
const KERNEL = ["nt", "ntoskrnl.exe", "ntkrnlmp.exe", "ntkrnlpa.exe", "ntkrpamp.exe", "hal.dll", "hal", "halmacpi.dll"];

const BROUGHT_BY_WINDOWS = [
  // loader, debugging, security and error reporting
  ...["bootvid.dll", "kdcom.dll", "ci.dll", "cng.sys", "ksecdd.sys", "ksecpkg.sys", "pshed.dll", "werkernel.sys"],
  ...["verifierext.sys", "securekernel.exe", "tm.sys", "clfs.sys", "msrpc.sys"],
  // driver frameworks and buses
  ...[
    "wdf01000.sys",
    "wdfldr.sys",
    "wppRecorder.sys",
    "acpi.sys",
    "acpiex.sys",
    "pci.sys",
    "msisadrv.sys",
    "vdrvroot.sys",
  ],
  ...["amdppm.sys", "intelppm.sys", "processr.sys", "hidclass.sys", "hidparse.sys", "kbdclass.sys", "mouclass.sys"],
  ...["i8042prt.sys", "usbport.sys", "usbhub.sys", "usbhub3.sys", "usbxhci.sys", "ucx01000.sys", "usbccgp.sys"],
  // storage and file systems
  ...[
    "ntfs.sys",
    "refs.sys",
    "fastfat.sys",
    "fltmgr.sys",
    "fileinfo.sys",
    "storport.sys",
    "scsiport.sys",
    "ataport.sys",
  ],
  ...[
    "storahci.sys",
    "stornvme.sys",
    "disk.sys",
    "classpnp.sys",
    "partmgr.sys",
    "volmgr.sys",
    "volmgrx.sys",
    "volume.sys",
  ],
  ...["volsnap.sys", "mountmgr.sys", "spaceport.sys", "fvevol.sys", "wof.sys"],
  // network
  ...["ndis.sys", "netio.sys", "tcpip.sys", "fwpkclnt.sys", "afd.sys", "tdx.sys", "tdi.sys", "http.sys", "mup.sys"],
  ...["rdbss.sys", "mrxsmb.sys", "mrxsmb20.sys", "srv2.sys", "srvnet.sys", "netbt.sys", "pacer.sys", "vmswitch.sys"],
  // graphics and sound
  ...["win32k.sys", "win32kbase.sys", "win32kfull.sys", "dxgkrnl.sys", "dxgmms1.sys", "dxgmms2.sys", "watchdog.sys"],
  ...["cdd.dll", "ks.sys", "portcls.sys", "drmk.sys"],
];

const kernel = new Set(KERNEL);
const brought = new Set([...KERNEL, ...BROUGHT_BY_WINDOWS].map((name) => name.toLowerCase()));

/** The kernel or the hardware abstraction layer, by any of their names. */
export const isKernelImage = (name: string): boolean => kernel.has(name.toLowerCase());

/** An image that comes with Windows, the kernel included. */
export const isPartOfWindows = (name: string): boolean => brought.has(name.toLowerCase());
