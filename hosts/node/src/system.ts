// The system's errors in the core's terms. The core knows which place an effect was about and says so, so a message holds only the
// system's words.

import { EffectError, type IoErrorKind } from './effects.js';

const WORDS: Readonly<Record<string, string>> = {
  E2BIG: 'Argument list too long',
  EACCES: 'Permission denied',
  EBADF: 'Bad file descriptor',
  EBUSY: 'Device or resource busy',
  EDQUOT: 'Disk quota exceeded',
  EEXIST: 'File exists',
  EFBIG: 'File too large',
  EINVAL: 'Invalid argument',
  EIO: 'Input/output error',
  EISDIR: 'Is a directory',
  ELOOP: 'a symbolic link, which is not followed in the place of a file',
  EMFILE: 'Too many open files',
  EMLINK: 'Too many links',
  ENAMETOOLONG: 'File name too long',
  ENFILE: 'Too many open files in system',
  ENOENT: 'No such file or directory',
  ENOSPC: 'No space left on device',
  ENOSYS: 'Function not implemented',
  ENOTDIR: 'a file stands where a folder must be',
  ENOTEMPTY: 'Directory not empty',
  ENXIO: 'No such device or address',
  EPERM: 'Operation not permitted',
  EROFS: 'Read-only file system',
  ETIMEDOUT: 'Connection timed out',
  ETXTBSY: 'Text file busy',
  EXDEV: 'Invalid cross-device link',
};

const KINDS: Readonly<Record<string, IoErrorKind>> = {
  ENOENT: 'not_found',
  EEXIST: 'already_exists',
  ENOTEMPTY: 'already_exists',
  EACCES: 'permission_denied',
  EPERM: 'permission_denied',
  EROFS: 'permission_denied',
  ELOOP: 'permission_denied',
  ENOSPC: 'storage_full',
  EDQUOT: 'storage_full',
  ETIMEDOUT: 'timed_out',
  ENOSYS: 'unsupported',
  EOPNOTSUPP: 'unsupported',
  ENOTSUP: 'unsupported',
};

/** The system's name for an error, such as `ENOENT`. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return typeof code === 'string' ? code : undefined;
}

/** What an error says, without numbers and paths. */
export function words(error: unknown): string {
  const code = errorCode(error);
  if (code !== undefined && Object.hasOwn(WORDS, code)) return WORDS[code] ?? code;
  return error instanceof Error ? error.message : String(error);
}

/** The failure of a system call as that of an effect. */
export function systemFailure(error: unknown): EffectError {
  if (error instanceof EffectError) return error;
  const code = errorCode(error) ?? '';
  return new EffectError(Object.hasOwn(KINDS, code) ? (KINDS[code] ?? 'other') : 'other', words(error));
}
