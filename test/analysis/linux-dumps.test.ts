import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, expect } from "vitest";
import { type Facts, facts as factsSchema } from "../../src/analysis/facts.ts";
import { linuxFacts } from "../../src/analysis/linux/index.ts";
import { type LinuxKernel, openKernel } from "../../src/analysis/linux/kernel.ts";
import { currentTasks, panicProcessor } from "../../src/analysis/linux/processors.ts";
import { hex } from "../../src/binary/index.ts";
import { type Dump, openDump } from "../../src/dumpfile/index.ts";
import { sharedData, withPeers } from "../peers.ts";
import { dmesgText, type LinuxAnswer, linuxAnswers, linuxDumpPath } from "./linux-answers.ts";

const DATA = "linux/expected.json";
const answers = existsSync(sharedData(DATA)) ? linuxAnswers() : ([{ file: "six dumps" }] as LinuxAnswer[]);
const { describe, it } = withPeers({ data: DATA });

const CRASH = "crash-sys-log-bt.txt";
const oracle = (file: string, output: string) => sharedData(`linux/oracle/${file}/${output}`);

/** expected.json hashes the lines trimmed, empty ones left out, joined by newlines, without one at the end. */
const hashOfLines = (text: string) =>
  createHash("sha256")
    .update(
      text
        .split("\n")
        .map((line) => line.trim())
        .filter((line) => line !== "")
        .join("\n"),
    )
    .digest("hex");

const KINDS: Record<string, string | null> = {
  null: "null-dereference",
  list: "list-corruption",
  oom: "oom",
  initexit: "init-exit",
  none: null,
};

for (const answer of answers)
  describe(`a real Linux dump, ${answer.file}`, () => {
    let dump: Dump;
    let facts: Facts;
    let kernel: LinuxKernel;

    beforeAll(async () => {
      dump = await openDump(linuxDumpPath(answer.file));
      facts = linuxFacts(dump);
      kernel = openKernel(dump);
    });
    afterAll(() => dump.close());

    it("facts keep to their schema", () => {
      expect(factsSchema.parse(facts)).toEqual(facts);
      expect(facts.dump?.problems).toEqual([]);
    });

    it("names the kernel, the machine and the command line as drgn does", () => {
      expect(facts.os).toMatchObject({
        family: "linux",
        release: answer.release,
        version: answer.version,
        buildId: answer.build_id,
        commandLine: answer.kernel_cmdline,
      });
      expect(facts.machine).toMatchObject({ arch: "x86_64", hostname: answer.nodename, processors: answer.cpus });
    });

    it("knows where the kernel lies: KASLR, phys_base, direct map, levels of its page tables", () => {
      expect(hex(kernel.info.kernelOffset ?? -1n)).toBe(answer.kernel_offset);
      expect(hex(kernel.info.number("phys_base") ?? -1n)).toBe(answer.phys_base);
      expect(kernel.info.number("pgtable_l5_enabled")).toBe(answer.la57 ? 1n : 0n);
      for (const name of ["page_offset_base", "vmalloc_base", "vmemmap_base"] as const)
        expect(hex(kernel.variable(name) ?? -1n), name).toBe(answer[name]);
    });

    it("reads the log whole, equal to makedumpfile's to the byte", () => {
      const records = facts.log?.records ?? [];
      const text = dmesgText(records);
      expect(facts.log?.complete).toBe(true);
      expect(records.length).toBe(answer.dmesg_records);
      expect(text.split("\n").length - 1).toBe(answer.dmesg_lines);
      expect(records[0]?.text).toBe(answer.dmesg_first);
      expect(records.at(-1)?.text).toBe(answer.dmesg_last);
      expect(hashOfLines(records.map((record) => record.text).join("\n"))).toBe(
        answer.dmesg_text_sha256_without_timestamps,
      );
      expect(text).toBe(readFileSync(oracle(answer.file, "dmesg-makedumpfile.txt"), "utf8"));
    });

    it("says what crashed, as the log and the oracles have it", () => {
      const { crash } = facts;
      const titles = [answer.panic_line, ...answer.first_bad_lines, answer.panic_reason].filter(
        (line) => line !== null,
      );
      expect(crash?.panicked).toBe(answer.panicked);
      expect(crash?.title).toBe(titles[0] ?? null);
      expect(crash?.alternativeTitles).toEqual(titles.slice(1));
      expect(crash?.class).toBe(answer.panicked ? KINDS[answer.kind] : null);
      expect(crash?.processor).toBe(answer.crash_cpu);
      expect(crash?.process).toEqual(
        answer.crash_pid === null ? null : { name: answer.crash_comm, pid: answer.crash_pid },
      );
    });

    it("names the failing instruction and the module on its path", () => {
      const { crash } = facts;
      expect(crash?.function ?? null).toBe(answer.rip?.symbol ?? null);
      expect(crash?.module?.name ?? null).toBe(answer.culprit?.module ?? null);
      if (!answer.rip) {
        expect(crash?.address).toBeNull();
        return;
      }
      const place = kernel.symbolizer?.at(BigInt(crash?.address ?? 0));
      expect(place).toMatchObject({ function: answer.rip.symbol, offset: Number(answer.rip.offset) });
      expect(place?.module?.name ?? null).toBe(answer.rip.module);
      expect(crash?.stack[0]).toMatchObject({ function: answer.rip.symbol, offset: answer.rip.offset, via: "log" });
      expect(crash?.stack.find((frame) => frame.module === answer.culprit?.module)?.function).toBe(
        answer.culprit?.symbol,
      );
    });

    it("gives the call trace, with addresses that lead back to its functions", () => {
      const trace = facts.crash?.stack.slice(answer.rip ? 1 : 0) ?? [];
      expect(
        trace
          .filter((frame) => frame.via === "log")
          .map(({ function: symbol, offset, module }) => ({ symbol, offset, module, reliable: true })),
      ).toEqual(answer.call_trace);
      for (const frame of trace.filter(({ address }) => address)) {
        const place = kernel.symbolizer?.caller(BigInt(frame.address!));
        expect(place?.function).toBe(frame.function);
        expect(hex(place?.offset ?? -1)).toBe(frame.offset);
        expect(place?.module?.name ?? null).toBe(frame.module);
      }
    });

    it("lists every module with its place and size", () => {
      expect(facts.modules?.map(({ name, base, size }) => ({ name, base, size }))).toEqual(answer.modules);
    });

    it("lists every task and thread", () => {
      expect(kernel.tasks?.tasks.map(({ address }) => hex(address))).toEqual(
        [...answer.tasks].sort((a, b) => a.pid - b.pid).map(({ addr }) => addr),
      );
      expect(facts.processes).toEqual(
        [...answer.tasks]
          .sort((a, b) => a.pid - b.pid)
          .map(({ pid, tgid, ppid, comm, state, cpu, user }) => ({
            pid,
            tgid,
            parent: ppid,
            name: comm,
            state,
            kernelThread: !user,
            processor: cpu,
          })),
      );
    });

    it("knows what each processor was doing", () => {
      const running = currentTasks(kernel.memory, kernel.symbols!, kernel.types!, answer.cpus);
      expect(running.map((task) => `${task?.name}/${task?.pid}`)).toEqual(answer.note_cpus.map(({ curr }) => curr));
      expect(panicProcessor(kernel.memory, kernel.symbols!)).toBe(answer.panic_cpu_variable);
      for (const { cpu, rip, rsp, cs, sym, cr3, gs_base } of answer.note_cpus) {
        const registers = facts.processors?.[cpu]?.registers;
        expect(registers).toMatchObject({ rip, rsp, cs });
        if (cr3) expect(registers).toMatchObject({ cr3, gsBase: gs_base });
        const place = kernel.symbolizer?.at(BigInt(rip));
        const module = place?.module ? ` [${place.module.name}]` : "";
        expect(`${place?.function}+${hex(place?.offset ?? 0)}${module}`).toBe(sym);
      }
    });

    it("reads the kernel's taint", () => {
      const letters = "PFSRMBUDAWCIOELKXTNJ";
      const mask = (facts.crash?.taint ?? []).reduce((sum, letter) => sum + 2 ** letters.indexOf(letter), 0);
      expect(mask).toBe(answer.tainted_mask);
    });

    it("expands all kernel symbols", () => {
      expect(kernel.symbols?.count).toBe(answer.kallsyms_count);
      for (const [name, address] of Object.entries(answer.symbols)) {
        // 6.1 leaves its own tables out of them; VMCOREINFO names those a reader needs.
        const isTable = name.startsWith("kallsyms_");
        const found = kernel.symbols?.address(name) ?? (isTable ? kernel.info.symbol(name) : null);
        if (found !== null || !isTable) expect(hex(found ?? -1n), name).toBe(address);
      }
    });

    it("finds the places of structure members in BTF", () => {
      expect(kernel.types?.count).toBe(answer.btf.types);
      expect(hex(kernel.symbols?.address("__start_BTF") ?? -1n)).toBe(answer.btf.address);
      for (const [structure, { size, ...members }] of Object.entries(answer.struct_offsets)) {
        expect(kernel.types?.size(structure), structure).toBe(size);
        for (const [member, offset] of Object.entries(members))
          expect(kernel.types?.offset(structure, member), `${structure}.${member}`).toBe(offset);
      }
    });

    // Of these dumps the one whose pages need not be unpacked: the search reads them all.
    if (answer.file.endsWith(".elf.gz"))
      it("has the same facts when the dump carries no VMCOREINFO and memory must be searched for it", () => {
        const bare = { ...dump, notes: [], header: { kind: "elf", vmcoreinfo: "" } as const };
        expect(linuxFacts(bare)).toEqual(facts);
      });

    // crash 8.0.2 cannot read the 6.12 kernels.
    if (existsSync(oracle(answer.file, CRASH)))
      it("dates the crash and counts the uptime as crash(8) does, to its second", () => {
        const text = readFileSync(oracle(answer.file, CRASH), "utf8");
        const date = Date.parse(/DATE: (.*)/.exec(text)?.[1] ?? "");
        const [hours, minutes, seconds] = /UPTIME: (\d+):(\d+):(\d+)/.exec(text)!.slice(1).map(Number);
        expect(Math.abs(Date.parse(facts.machine?.crashedAt ?? "") - date)).toBeLessThan(1500);
        // crash counts from the last jiffy, which may lie before the crash.
        const uptime = hours! * 3600 + minutes! * 60 + seconds!;
        expect(Math.abs((facts.machine?.uptimeSeconds ?? 0) - uptime)).toBeLessThan(1.5);
      });
  });
