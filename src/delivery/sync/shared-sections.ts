import type { Chain } from '../../rooms/layers.ts'
import { RawJson } from '../../util/raw-json.ts'

/**
 * What a joined room has to show to all readers who are alike: they stand at the same place, ask for the same, see nothing
 * but messages that others wrote, and were joined when each was sent, by the event that makes them members now.
 */
export interface SharedSection {
  /** the text without the unread counts */
  readonly head: string
  /** the states in which such a reader was joined */
  readonly chains: readonly Chain[]
  /** row ids of those who wrote something in it: each sees more of their own messages */
  readonly senders: ReadonlySet<number>
  /** with lazy loading: the member events that such a reader's device has already, by row ids of place and event */
  readonly members: readonly (readonly [keyNid: number, eventNid: number])[]
  /** what was made before somebody was erased is not shown after it */
  readonly erasedVersion: number
  /** whole texts by that of the counts */
  readonly texts: Map<string, RawJson>
}

/** Shared sections of one moment, for readers who stand at one place. */
export class SharedSections {
  readonly #byFilter = new Map<object, Map<string, SharedSection>>()

  /** The section that was kept for readers with this filter, if `isFor` says that it is for the one who asks. */
  async find(
    filter: object,
    key: string,
    isFor: (section: SharedSection) => Promise<boolean>,
  ): Promise<SharedSection | undefined> {
    const found = this.#byFilter.get(filter)?.get(key)
    return found !== undefined && (await isFor(found)) ? found : undefined
  }

  keep(filter: object, key: string, section: SharedSection): void {
    let ofFilter = this.#byFilter.get(filter)
    if (ofFilter === undefined) this.#byFilter.set(filter, (ofFilter = new Map()))
    ofFilter.set(key, section)
  }
}

/** The whole text, with a reader's unread counts, which are a JSON object. */
export function withCounts({ head, texts }: Pick<SharedSection, 'head' | 'texts'>, counts: string): RawJson {
  let text = texts.get(counts)
  if (text === undefined) texts.set(counts, (text = RawJson.joining(head, counts)))
  return text
}
