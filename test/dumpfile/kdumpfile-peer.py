"""What Debian's libkdumpfile reads in a dump, as JSON: every n-th page by frame number with the CRC-32 of its bytes."""

import json
import sys
import zlib

import kdumpfile


def frames(dump):
    page_map = dump.attr["file.pagemap"]
    frame = 0
    while True:
        try:
            frame = page_map.find_set(frame)
        except kdumpfile.exceptions.NoDataException:
            return
        yield frame
        frame += 1


def crc(dump, frame):
    return zlib.crc32(dump.read(kdumpfile.KDUMP_MACHPHYSADDR, frame * 4096, 4096))


def processors(dump):
    # libkdumpfile reads no notes when the dump's utsname is blank, as QEMU leaves it in kdump files.
    count = dump.attr["cpu.number"] if "cpu" in dump.attr else 0
    for index in range(count):
        registers = dump.attr["cpu.%d.reg" % index]
        yield {
            "pid": dump.attr["cpu.%d.pid" % index],
            "registers": {name: hex(registers[name]) for name in registers},
        }


dump = kdumpfile.kdumpfile(sys.argv[1])
stored = list(frames(dump))
json.dump(
    {
        "format": dump.attr["file.format"],
        "processors": list(processors(dump)),
        "pageCount": len(stored),
        "pages": [(frame, crc(dump, frame)) for frame in stored[:: int(sys.argv[2])]],
    },
    sys.stdout,
)
