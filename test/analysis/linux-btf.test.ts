import { describe, expect, it } from "vitest";
import { Btf } from "../../src/analysis/linux/btf.ts";
import { BuiltBtf, KIND } from "./linux-built-btf.ts";

function built() {
  const btf = new BuiltBtf();
  const int = btf.type(KIND.int, "int", 4, [32]);
  const inner = btf.structure("inner", 12, [
    ["flags", int, 0],
    ["cpu", int, 64],
  ]);
  const anonymous = btf.structure(
    "",
    8,
    [
      ["left", int, 0],
      ["right", int, 32],
    ],
    0,
    KIND.union,
  );
  const alias = btf.type(KIND.typedef, "inner_t", btf.type(KIND.volatile, "", inner));
  const array = btf.type(KIND.array, "", 0, [alias, int, 4]);
  btf.type(KIND.fwd, "outer", 0);
  btf.structure("outer", 80, [
    ["first", int, 0],
    ["", anonymous, 64],
    ["info", alias, 128],
    ["mem", array, 256],
  ]);
  // kind_flag: the width of a bit field in the upper 8 bits of its offset
  btf.structure(
    "bits",
    8,
    [
      ["a", int, (3 << 24) | 0],
      ["b", int, (5 << 24) | 35],
    ],
    1,
  );
  return btf;
}

describe("BTF", () => {
  const btf = Btf.parse(built().bytes);

  it("counts types and knows sizes", () => {
    expect(btf?.count).toBe(9);
    expect(btf?.size("outer")).toBe(80);
    expect(btf?.size("inner_t")).toBeNull(); // a typedef is no structure
    expect(btf?.size("out")).toBeNull();
  });

  it("finds members by name, through anonymous ones, typedefs, qualifiers and array elements", () => {
    expect(btf?.offset("outer", "first")).toBe(0);
    expect(btf?.offset("outer", "right")).toBe(12);
    expect(btf?.offset("outer", "info.cpu")).toBe(24);
    expect(btf?.offset("outer", "mem.cpu")).toBe(40);
    expect(btf?.offset("bits", "b")).toBe(4);
    for (const path of ["nothing", "first.more", "info.nothing"]) expect(btf?.offset("outer", path)).toBeNull();
  });

  it("is not what does not begin with its magic", () => {
    expect(Btf.parse(new Uint8Array(4))).toBeNull();
    expect(Btf.parse(new Uint8Array(4096))).toBeNull();
  });

  it("ends a search through types that contain themselves", () => {
    const loop = new BuiltBtf();
    loop.structure(
      "loop",
      8,
      Array.from({ length: 50 }, () => ["", 2, 0] as const),
    );
    loop.structure(
      "",
      8,
      Array.from({ length: 50 }, () => ["", 2, 0] as const),
    );
    loop.type(KIND.typedef, "self", 3);
    loop.structure("through", 8, [["self", 3, 0]]);
    const types = Btf.parse(loop.bytes);
    expect(types?.offset("loop", "member")).toBeNull();
    expect(types?.offset("through", "self.member")).toBeNull();
  });

  it("reads types up to where they are cut off or damaged", () => {
    const { bytes } = built();
    for (let length = 0; length < bytes.length; length++) {
      const some = Btf.parse(bytes.slice(0, length));
      expect(some?.offset("outer", "info.cpu") ?? 24).toBe(24);
    }
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = 0xff;
      const some = Btf.parse(damaged);
      expect(some?.offset("outer", "mem.cpu") ?? 0).toBeTypeOf("number");
    }
  });
});
