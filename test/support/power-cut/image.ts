import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isVolatile } from './disk.ts'
import type { Change, Inode } from './inode.ts'

/** What became of the writes that no sync had covered: all lost, all there, some lost, some torn at sectors of 512 bytes. */
export type Fate = 'lost' | 'kept' | 'some' | 'torn'

const sector = 512
const fates: readonly Fate[] = ['lost', 'kept', 'some', 'some', 'torn', 'torn']

/**
 * Writes into `folder` what a power cut at `moment` may have left of `root`. Each file and each folder has its own fate.
 * Of one file moments may only grow from image to image. Returns how many changes were open, and how many of them lost.
 */
export function writeImage(
  root: Inode,
  moment: number,
  random: () => number,
  folder: string,
): { open: number; lost: number } {
  const count = { open: 0, lost: 0 }
  const pick = () => fates[Math.floor(random() * fates.length)] as Fate
  const keeps = (change: Change, fate: Fate) => {
    if (change.begin >= moment) return false
    if ((change.durableFrom ?? Infinity) <= moment) return true
    count.open++
    const isKept = fate === 'kept' || (fate !== 'lost' && random() < 0.5)
    if (!isKept) count.lost++
    return isKept
  }
  const writeFolder = (inode: Inode, path: string) => {
    mkdirSync(path, { recursive: true })
    const fate = pick()
    const names = new Map<string, Inode>()
    const kept = new Set<Change>()
    for (const change of inode.renames) {
      if (!keeps(change, fate)) continue
      kept.add(change)
      const isOther = change.after !== undefined && inode.renames.includes(change.after)
      if (isOther && !kept.has(change.after as Change)) continue
      if (change.inode === undefined) names.delete(change.name)
      else names.set(change.name, change.inode)
    }
    for (const [name, each] of names) {
      if (isVolatile(name)) continue
      if (each.kind === 'folder') writeFolder(each, join(path, name))
      else writeFileSync(join(path, name), bytesOf(each))
    }
  }
  const bytesOf = (inode: Inode): Buffer => {
    const fate = pick()
    const { bytes, size, open } = inode.at(moment)
    const most = open.reduce((sum, { offset, data }) => Math.max(sum, offset + (data?.length ?? 0)), size)
    const image = Buffer.alloc(most)
    bytes.copy(image, 0, 0, size)
    let end = size
    for (const change of open) {
      const { offset, data } = change
      if (data !== undefined && fate === 'torn' && (change.durableFrom ?? Infinity) > moment) {
        for (let at = 0, next = 0; at < data.length; at = next) {
          next = Math.min(data.length, sectorEnd(offset + at) - offset)
          if (!keeps(change, fate)) continue
          data.copy(image, offset + at, at, next)
          end = Math.max(end, offset + next)
        }
      } else if (keeps(change, fate)) {
        if (data === undefined) image.fill(0, offset)
        else data.copy(image, offset)
        end = data === undefined ? offset : Math.max(end, offset + data.length)
      } else if (data !== undefined && random() < 0.2) end = Math.max(end, offset + data.length) // a size without its bytes
    }
    return image.subarray(0, end)
  }
  writeFolder(root, folder)
  return count
}

const sectorEnd = (at: number) => (Math.floor(at / sector) + 1) * sector
