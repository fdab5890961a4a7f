/** What a step does. */
export const READ = 0;
export const WRITE = 1;
export const UNMAP = 2;
export const MOVE = 3;
export const LOWER = 4;
export const RAISE = 5;
export const INVLPG = 6;
export const MOV_CR3 = 7;
export const SWITCH = 8;
export const FLUSH_SPACE = 9;
export const FLUSH_LIST = 10;
export const INVPCID = 11;

export const PAGES = 2;
export const SPACES = 2;
/** In place of a space: all of them. */
export const ALL_SPACES = SPACES;

/** The accesses that are looked at: one processor's to one page of one space. */
export interface Observed {
  readonly processor: number;
  readonly space: number;
  readonly page: number;
}

/** One step of one processor; of the fields, those that its deed asks for are meant. */
export interface Step {
  readonly does: number;
  readonly processor: number;
  readonly space: number;
  readonly page: number;
  /** Of a list: pages from `page` on. */
  readonly pages: number;
  /** A bit for each processor that a hypercall names. */
  readonly mask: number;
}

const NOTHING: Step = { does: READ, processor: 0, space: 0, page: 0, pages: 1, mask: 0 };
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
const EVERY_PAGE = upTo(PAGES);
const EVERY_SPACE = upTo(SPACES);

export const isAccess = ({ does }: Step) => does <= WRITE;
export const isEdit = ({ does }: Step) => does >= UNMAP && does <= RAISE;

export const read = (processor: number, page: number): Step => ({ ...NOTHING, processor, page });
export const write = (processor: number, page: number): Step => ({ ...NOTHING, does: WRITE, processor, page });
export const edit = (does: number, space: number, page: number): Step => ({ ...NOTHING, does, space, page });
export const invlpg = (processor: number, page: number): Step => ({ ...NOTHING, does: INVLPG, processor, page });
export const movCr3 = (processor: number, space: number): Step => ({ ...NOTHING, does: MOV_CR3, processor, space });
export const switchTo = (processor: number, space: number): Step => ({ ...NOTHING, does: SWITCH, processor, space });
export const flushSpace = (space: number, mask: number): Step => ({ ...NOTHING, does: FLUSH_SPACE, space, mask });
export const flushList = (space: number, page: number, pages: number, mask: number): Step => ({
  ...NOTHING,
  does: FLUSH_LIST,
  space,
  page,
  pages,
  mask,
});
export const invpcid = (processor: number, space: number): Step => ({ ...NOTHING, does: INVPCID, processor, space });

/** Everything that so many processors can do. @param hypercalls whether there are flush hypercalls; else there is INVPCID */
export function everyStep(processors: number, hypercalls: boolean): Step[] {
  const everyProcessor = upTo(processors);
  const everyTarget = [...EVERY_SPACE, ALL_SPACES];
  const masks = upTo(2 ** processors).slice(1);
  const lists = [
    [0, 1],
    [1, 1],
    [0, 2],
  ] as const;
  return [
    ...everyProcessor.flatMap((processor) =>
      EVERY_PAGE.flatMap((page) => [read(processor, page), write(processor, page)]),
    ),
    ...EVERY_SPACE.flatMap((space) =>
      EVERY_PAGE.flatMap((page) => [UNMAP, MOVE, LOWER, RAISE].map((how) => edit(how, space, page))),
    ),
    ...everyProcessor.flatMap((processor) => EVERY_PAGE.map((page) => invlpg(processor, page))),
    ...everyProcessor.flatMap((processor) => EVERY_SPACE.map((space) => movCr3(processor, space))),
    ...everyProcessor.flatMap((processor) => EVERY_SPACE.map((space) => switchTo(processor, space))),
    ...(hypercalls
      ? everyTarget.flatMap((space) =>
          masks.flatMap((mask) => [
            flushSpace(space, mask),
            ...lists.map(([page, pages]) => flushList(space, page, pages, mask)),
          ]),
        )
      : everyProcessor.flatMap((processor) => everyTarget.map((space) => invpcid(processor, space)))),
  ];
}

const NAMES = ["reads", "writes", "unmap", "move", "lower", "raise", "INVLPG", "MOV CR3", "switch", "flush space"];

/** A step in words. */
export function told(step: Step): string {
  const { does, processor, space, page, pages, mask } = step;
  const name = NAMES[does] ?? (does === FLUSH_LIST ? "flush list" : "INVPCID");
  if (isEdit(step)) return `${name} ${space}/${page}`;
  if (does === FLUSH_SPACE) return `${name} ${space} for ${mask.toString(2)}`;
  if (does === FLUSH_LIST) return `${name} ${space}/${page}+${pages} for ${mask.toString(2)}`;
  return `${processor} ${name} ${does <= WRITE || does === INVLPG ? page : space}`;
}
