import type { DiskParameters } from "./parameters.ts";
import type { SeekLaw } from "./seek-curve.ts";

/** The two-part law fitted to the measured seeks of a Seagate ST32171W (storage.md, part C); 0.25 ms from them in the mean square. */
const ST32171W: SeekLaw = {
  kind: "two-part",
  division: 1300,
  root: [2.014, 0.1944],
  line: [5.975, 0.002146],
  first: [],
};

const SURFACES = 12;
const CYLINDERS = 5172;
const SECTORS_PER_TRACK = 1057;
/** A cylinder's first track begins when the arm has come over from the last one. */
const CYLINDER_SKEW = 290;

const NO_OVERHEADS = {
  "Read hit over. after read": 0,
  "Read hit over. after write": 0,
  "Read miss over. after read": 0,
  "Read miss over. after write": 0,
  "Write hit over. after read": 0,
  "Write hit over. after write": 0,
  "Write miss over. after read": 0,
  "Write miss over. after write": 0,
  "Read completion overhead": 0,
  "Write completion overhead": 0,
  "Data preparation overhead": 0,
  "First reselect overhead": 0,
  "Other reselect overhead": 0,
  "Write disconnect overhead": 0,
  "Extra write disconnect": 0,
  "Extradisc disconnect overhead": 0,
  "Extradisc inter-disconnect delay": 0,
  "Extradisc 2nd disconnect overhead": 0,
  "Extradisc seek delta": 0,
  "Minimum seek delay": 0,
};

/**
 * The disk on which schedulers are compared (storage.md B2): the arm of an ST32171W over 31.3 GiB, 7200 revolutions a minute, 0.3 ms
 * of overhead, no buffer.
 */
export function calibrationDisk(seek: SeekLaw = ST32171W): DiskParameters {
  return {
    name: "calibration disk",
    rules: "measured",
    surfaces: SURFACES,
    cylinders: CYLINDERS,
    sectors: SURFACES * CYLINDERS * SECTORS_PER_TRACK,
    layout: {
      mapping: 0,
      sparing: { unit: "zone", slips: "sectors", toEnd: true },
      rangeCylinders: 1,
      zones: [
        {
          firstCylinder: 0,
          lastCylinder: CYLINDERS - 1,
          sectorsPerTrack: SECTORS_PER_TRACK,
          firstSectorOffset: 0,
          emptySectors: 0,
          trackSkew: 0,
          cylinderSkew: CYLINDER_SKEW,
          spares: 0,
          slips: [],
          remapped: [],
        },
      ],
    },
    seek,
    rotation: 60_000 / 7200,
    headSwitch: 0,
    writeSettling: 0,
    settling: 0,
    transfer: { read: 0, write: 0 },
    controller: {
      "Per-request overhead time": 0.3,
      "Time scale for overheads": 1,
      "Bulk sector transfer time": 0,
      "Number of buffer segments": 1,
      "Maximum number of write segments": 1,
      "Use separate write segment": 0,
      "Segment size (in blks)": 1,
      "Enable caching in buffer": 0,
      "Buffer continuous read": 0,
      "Maximum read-ahead (blks)": 0,
      "Read-ahead over requested": 0,
      "Read any free blocks": 0,
      "Allow read hits on write data": 0,
      "Allow write prebuffering": 0,
      "Fast write level": 0,
      "Immediate buffer read": 0,
      "Immediate buffer write": 0,
      "Stop prefetch in sector": 0,
      "High (read) water mark": 0,
    },
    overheads: NO_OVERHEADS,
  };
}
