export { readIdentityFile, recipientsOf } from "./identities.ts";
export { inspectSealed, openSealed, type SealedFile } from "./open.ts";
export { checkRecipients, parseRecipients } from "./recipients.ts";
export { sealingOverhead, sealStream } from "./seal.ts";
