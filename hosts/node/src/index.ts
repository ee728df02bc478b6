// What `import ... from 'azall'` gives.

export { coreKind } from './core.js';
export type { Command, CommandName, CommandOf, OutcomeOf } from '../types/core.js';
export type { DoneStep, Event } from './drive.js';
export { AzallError } from './errors.js';
export {
  Mailbox,
  type Attachment,
  type CallOptions,
  type Edit,
  type InboxOptions,
  type NewMail,
  type NewReply,
  type OpenOptions,
  type WatchOptions,
} from './mailbox.js';
export { service, type Answer, type ServiceContext, type ServiceOptions, type ServiceReport } from './service.js';
export type * from './types.js';
export { effectKinds, version } from './protocol.js';
