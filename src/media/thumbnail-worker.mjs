// Scales pictures, in a thread of its own with a memory limit. Takes { id, path, width, height, method, animated, maxPixels },
// answers { id, bytes, contentType } or { id, refusal }.
import { parentPort } from 'node:worker_threads'
import sharp from 'sharp'

sharp.cache(false)
sharp.concurrency(1)

const readable = new Set(['jpeg', 'png', 'webp', 'gif', 'avif', 'heif'])

/** @param {{ path: string, width: number, height: number, method: string, animated: boolean, maxPixels: number }} job */
async function scale({ path, width, height, method, animated, maxPixels }) {
  const options = { limitInputPixels: maxPixels, failOn: /** @type {const} */ ('error') }
  const { format, width: w = 0, height: h = 0, pages = 1 } = await sharp(path, options).metadata()
  if (!readable.has(format ?? '')) return { refusal: 'unsupported' }
  if (w * h > maxPixels) return { refusal: 'too large' }
  const moves = animated && pages > 1 && w * h * pages <= maxPixels
  const fits = w <= width && h <= height
  if (fits) return { refusal: 'small' }
  // "scale" keeps the ratio and is at least as large as asked for on both sides.
  const fit = /** @type {const} */ (method === 'crop' ? 'cover' : 'outside')
  const image = sharp(path, { ...options, animated: moves })
    .rotate()
    .resize({ width, height, fit, withoutEnlargement: true })
    .timeout({ seconds: 10 })
  const hasAlpha = format === 'png' || format === 'webp' || format === 'gif' || format === 'avif'
  if (moves) return { bytes: await image.webp({ quality: 80 }).toBuffer(), contentType: 'image/webp' }
  if (hasAlpha) return { bytes: await image.png().toBuffer(), contentType: 'image/png' }
  return { bytes: await image.jpeg({ quality: 80 }).toBuffer(), contentType: 'image/jpeg' }
}

parentPort?.on('message', async (job) => {
  try {
    parentPort?.postMessage({ id: job.id, ...(await scale(job)) })
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    parentPort?.postMessage({ id: job.id, refusal: message.includes('pixel limit') ? 'too large' : 'unsupported' })
  }
})
