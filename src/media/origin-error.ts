import { FederationError } from '../federation/errors.ts'
import { MatrixError } from '../protocol/errors.ts'
import { NetError } from '../util/ports.ts'
import { MultipartError } from './multipart.ts'

const tooLarge = () => new MatrixError('M_TOO_LARGE', 'the file is too large', {}, 502)
const noFile = () => new MatrixError('M_UNKNOWN', 'the other server did not answer with the file', {}, 502)

/** Why a file could not be had from its origin, as an answer to whoever asked for it; anything else as it is. */
export function asMediaError(error: unknown): unknown {
  if (error instanceof NetError) return error.failure === 'too-large' ? tooLarge() : noFile()
  if (error instanceof MultipartError) return noFile()
  if (!(error instanceof FederationError)) return error
  if (error.cause instanceof NetError && error.cause.failure === 'too-large') return tooLarge()
  const { remote } = error
  if (remote === undefined)
    return new MatrixError(
      'M_UNKNOWN',
      'the other server could not be reached',
      {},
      error.kind === 'timeout' ? 504 : 502,
    )
  if (remote.status === 504) return new MatrixError('M_NOT_YET_UPLOADED', 'the file is not uploaded yet')
  if (remote.errcode === 'M_TOO_LARGE') return tooLarge()
  if (remote.status === 429 || remote.status >= 500) return noFile()
  return new MatrixError('M_NOT_FOUND', 'the other server does not have this file')
}
