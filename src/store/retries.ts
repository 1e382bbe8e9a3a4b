import { Stale } from './errors.ts'

/** Runs plan–fetch–judge–apply again, at most `times` times in all, while it throws Stale. */
export async function withRetries<T>(times: number, fn: () => Promise<T>): Promise<T> {
  for (let left = times - 1; ; left--) {
    try {
      return await fn()
    } catch (error) {
      if (!(error instanceof Stale) || left <= 0) throw error
    }
  }
}
