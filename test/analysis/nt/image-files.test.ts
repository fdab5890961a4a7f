import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { analyze } from "../../../src/analysis/index.ts";
import { Image } from "../../../src/analysis/nt/image.ts";
import { ImageFiles, imageOfFile } from "../../../src/analysis/nt/image-files.ts";
import { StopcodeError } from "../../../src/binary/index.ts";
import { sharedData, withPeers } from "../../peers.ts";

const symbols = withPeers({ data: "windows/symbols" }, { data: "windows/rizin" });
const folder = sharedData("windows/symbols");

symbols.it("an image file is taken by name, time stamp and size, and by nothing less", async () => {
  const modules = (await analyze(sharedData("windows/rizin/triage_x64.dmp"))).modules!;
  const files = new ImageFiles([folder]);
  for (const name of ["amdppm.sys", "Wdf01000.sys"]) {
    const module = modules.find((one) => one.name.toLowerCase() === name.toLowerCase())!;
    const identity = { name: name.toUpperCase(), timeDateStamp: module.timeDateStamp!, size: module.size! };
    expect(files.find(identity), name).not.toBeNull();
    expect(files.find({ ...identity, timeDateStamp: identity.timeDateStamp + 1 })).toBeNull();
    expect(files.find({ ...identity, size: identity.size + 0x1000 })).toBeNull();
  }
});

symbols.it("the image's debug identity is that of its program database", () => {
  const image = imageOfFile(readFileSync(`${folder}/amdppm.sys`))!;
  const identity = image.debugIdentity()!;
  expect(identity.path).toBe("amdppm.pdb");
  const stored = Buffer.from(identity.guid, "hex");
  // A program database stores the GUID as Windows lays it out: three little-endian numbers, then eight bytes.
  const guid = Buffer.from([3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15].map((i) => stored[i]!));
  expect(readFileSync(`${folder}/amdppm.pdb`).includes(guid)).toBe(true);
});

symbols.it("cut off or overwritten anywhere, an image file never makes reading throw", () => {
  const whole = readFileSync(`${folder}/amdppm.sys`);
  for (let step = 0; step < 200; step++) {
    const broken = Uint8Array.from(whole.subarray(0, step % 4 === 0 ? step * 211 : whole.length));
    for (let i = 0; i < 20; i++)
      if (broken.length > 0)
        broken[(step * 977 + i * 31) % Math.min(broken.length, 0x600)] = (step * 7 + i * 13) & 0xff;
    const image = imageOfFile(broken);
    image?.exports();
    image?.debugIdentity();
    for (const rva of [0, 0x1000, 0x334c, 0xffff_ffff]) image?.runtimeFunction(rva);
  }
});

it("a folder that is not there is an error with advice, bytes that are no image are none", () => {
  expect(() => new ImageFiles(["/nowhere/at/all"])).toThrow(StopcodeError);
  expect(imageOfFile(new Uint8Array(100))).toBeNull();
  expect(Image.open(() => null)).toBeNull();
});
