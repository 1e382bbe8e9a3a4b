// Scales pictures, in a thread of its own with a memory limit. Takes { id, path, width, height, method, animated, maxPixels },
// answers { id, bytes, contentType }, { id, refusal: 'small', contentType } or { id, refusal }.
import { open } from 'node:fs/promises'
import { parentPort } from 'node:worker_threads'
import sharp from 'sharp'

sharp.cache(false)
sharp.concurrency(1)
// Only what is named here is ever decoded: no SVG, PDF or anything else that can name other files.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({
  operation: [
    'VipsForeignLoadJpegFile',
    'VipsForeignLoadPngFile',
    'VipsForeignLoadWebpFile',
    'VipsForeignLoadNsgifFile',
    'VipsForeignLoadHeifFile',
  ],
})

/** Types that may be handed out as they are. */
const typeOf = new Map([
  ['jpeg', 'image/jpeg'],
  ['png', 'image/png'],
  ['webp', 'image/webp'],
  ['gif', 'image/gif'],
])
const readable = new Set([...typeOf.keys(), 'heif', 'avif'])

/** @param {{ path: string, width: number, height: number, method: string, animated: boolean, maxPixels: number }} job */
async function scale({ path, width, height, method, animated, maxPixels }) {
  const options = { limitInputPixels: maxPixels, failOn: /** @type {const} */ ('error') }
  const found = await sharp(path, options).metadata()
  const { format = '', pages = 1, orientation = 1 } = found
  const [w, h] = orientation >= 5 ? [found.height, found.width] : [found.width, found.height]
  if (!readable.has(format)) return { refusal: 'unsupported' }
  if (w * h > maxPixels) return { refusal: 'too large' }
  const isMoving = pages > 1 || (format === 'png' && (await isAnimatedPng(path)))
  const moves = animated && pages > 1 && w * h * pages <= maxPixels
  const contentType = typeOf.get(format)
  // What does not move may not be answered with what does.
  if (w <= width && h <= height && contentType !== undefined && (animated || !isMoving))
    return { refusal: 'small', contentType }
  // "scale" keeps the ratio and is at least as large as asked for on both sides.
  const fit = /** @type {const} */ (method === 'crop' ? 'cover' : 'outside')
  const image = sharp(path, { ...options, animated: moves })
    .autoOrient()
    .resize({ width, height, fit, withoutEnlargement: true })
    .timeout({ seconds: 10 })
  if (moves) return { bytes: await image.webp({ quality: 80 }).toBuffer(), contentType: 'image/webp' }
  if (format === 'jpeg') return { bytes: await image.jpeg({ quality: 80 }).toBuffer(), contentType: 'image/jpeg' }
  return { bytes: await image.png().toBuffer(), contentType: 'image/png' }
}

/** Whether a PNG has more frames: `acTL` comes before the picture. @param {string} path */
async function isAnimatedPng(path) {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(65_536), 0, 65_536, 0)
    const data = buffer.subarray(0, bytesRead)
    const at = data.indexOf('acTL')
    const picture = data.indexOf('IDAT')
    return at >= 0 && (picture < 0 || at < picture)
  } finally {
    await file.close()
  }
}

parentPort?.on('message', async (job) => {
  try {
    parentPort?.postMessage({ id: job.id, ...(await scale(job)) })
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    parentPort?.postMessage({ id: job.id, refusal: message.includes('pixel limit') ? 'too large' : 'unsupported' })
  }
})
