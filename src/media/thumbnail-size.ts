/** The size and kind of thumbnail that a client asks for. */
export interface ThumbnailRequest {
  readonly width: number
  readonly height: number
  readonly method: 'crop' | 'scale'
  readonly animated: boolean
}

const sizes = [32, 96, 240, 320, 480, 600, 640, 800, 1280, 1920] as const
/** Larger than any picture that is decoded: what is asked for is the picture itself. */
const whole = 32_000

/**
 * The size to make: not smaller than asked for on either side, in the shape asked for where that matters (`crop`), out of
 * a few, so that a client cannot fill the disk. `isKept`: whether it is one of the few.
 */
export function thumbnailSize({ width, height, method }: ThumbnailRequest): {
  readonly width: number
  readonly height: number
  readonly isKept: boolean
} {
  const up = (size: number) => sizes.find((known) => known >= size) ?? whole
  if (method === 'scale') return { width: up(width), height: up(height), isKept: true }
  const widened = { width: up(width), height: Math.ceil((height * up(width)) / width) }
  if (widened.width === whole || widened.height > whole) return { width, height, isKept: false }
  const known: readonly number[] = sizes
  return { ...widened, isKept: known.includes(widened.height) }
}
