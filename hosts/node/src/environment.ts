// The variables of the environment that say which mailbox is meant.

import process from 'node:process';

import { AzallError } from './errors.js';

/** What Node shows in the place of bytes that are not UTF-8. */
const REPLACEMENT = '\u{fffd}';

/**
 * A variable of the environment. One that is there and cannot be used is not passed over, nor taken for what Node makes of it: what was
 * meant for one mailbox would be done in another.
 */
export function variable(name: string): string | undefined {
  const value = process.env[name];
  if (value?.includes(REPLACEMENT)) throw new AzallError('config', `$${name} is not UTF-8`);
  return value;
}
