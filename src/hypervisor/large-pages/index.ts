export { LargePages, type PageSizes } from "./large-pages.ts";
export { type GuestLeafShift, LARGE_PAGE_FRAMES, type Promotion, promotionOf } from "./promotion.ts";
