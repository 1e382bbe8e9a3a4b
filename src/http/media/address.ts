import * as v from 'valibot'
import { booleanParam, integerParam } from '../schemas.ts'

/** The path component of an mxc URI: nothing that could leave a folder. */
export const mediaId = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{1,255}$/, 'not a valid media ID'))

/** How long to wait for an upload that is under way: 20 s unless told, at most 60. */
export const timeoutMs = v.optional(integerParam({ most: 60_000 }), '20000')

/** What a thumbnail request says of size and kind. */
export const thumbnailQuery = {
  width: integerParam({ least: 1, most: 10_000 }),
  height: integerParam({ least: 1, most: 10_000 }),
  method: v.optional(v.picklist(['crop', 'scale'], 'neither crop nor scale'), 'scale'),
  animated: v.optional(booleanParam, 'false'),
  timeout_ms: timeoutMs,
} as const
