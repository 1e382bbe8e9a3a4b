import { PackReader, PackWriter } from './packed.ts'

/** One layer of a state: keys ascending, and for each the event in force, 0 where the layer removes the key. */
export interface StateDelta {
  readonly keys: Float64Array
  readonly events: Float64Array
}

/** Makes a layer of changes: an event's row id, or 0 for a removal, by row id of the key. */
export function deltaOf(changes: ReadonlyMap<number, number>): StateDelta {
  const keys = Float64Array.from(changes.keys()).sort()
  const events = new Float64Array(keys.length)
  for (let i = 0; i < keys.length; i++) events[i] = changes.get(keys[i] as number) as number
  return { keys, events }
}

/** Packs a layer: key ids as differences, event ids as differences to the one before; a removal is a difference of its own. */
export function packDelta(delta: StateDelta): Buffer {
  const writer = new PackWriter()
  let key = 0
  let event = 0
  for (let i = 0; i < delta.keys.length; i++) {
    const nextKey = delta.keys[i] as number
    const nextEvent = delta.events[i] as number
    // the lowest bit says whether the key is removed
    if (nextEvent === 0) writer.write((nextKey - key) * 2 + 1)
    else {
      writer.write((nextKey - key) * 2)
      writer.writeSigned(nextEvent - event)
      event = nextEvent
    }
    key = nextKey
  }
  return writer.finish()
}

/** Reads what `packDelta` packed. */
export function unpackDelta(bytes: Uint8Array): StateDelta {
  const reader = new PackReader(bytes)
  const keys: number[] = []
  const events: number[] = []
  let key = 0
  let event = 0
  while (!reader.isAtEnd) {
    const head = reader.read()
    key += Math.floor(head / 2)
    keys.push(key)
    if (head % 2 === 1) events.push(0)
    else events.push((event += reader.readSigned()))
  }
  return { keys: Float64Array.from(keys), events: Float64Array.from(events) }
}

/** The event that a layer has at a key: 0 where it removes the key, undefined where it says nothing of it. */
export function deltaAt({ keys, events }: StateDelta, key: number): number | undefined {
  let low = 0
  let high = keys.length - 1
  while (low <= high) {
    const middle = (low + high) >> 1
    const found = keys[middle] as number
    if (found === key) return events[middle]
    if (found < key) low = middle + 1
    else high = middle - 1
  }
  return undefined
}
