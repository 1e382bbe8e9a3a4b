/**
 * What a JSON text said that its parsed value cannot say: how numbers were spelled, and that a key stood twice.
 * Kept on the object or array itself, under a symbol, only where there is something to keep. The symbol is
 * enumerable, so that `{ ...object }` takes it along; `Object.keys` and `JSON.stringify` do not see it.
 */
export interface Oddities {
  readonly numbers: Map<string, NumberSpelling>
  duplicateKey: boolean
}

interface NumberSpelling {
  readonly value: number
  readonly text: string
}

const oddities: unique symbol = Symbol('json oddities')

interface Carrier {
  [oddities]?: Oddities
}

/** What is known of this object or array beyond its values; undefined for nearly all. */
export function odditiesOf(container: object): Oddities | undefined {
  return (container as Carrier)[oddities]
}

/** Notes how the number at this key was spelled. */
export function noteSpelling(container: object, key: string, value: number, text: string): void {
  carried(container).numbers.set(key, { value, text })
}

/** Notes that a key of this object stood in the text more than once. */
export function noteDuplicateKey(container: object): void {
  carried(container).duplicateKey = true
}

/** How the number at this key was spelled, where that differs from what JavaScript writes and it is still that number. */
export function spellingOf(container: object, key: string, value: number): string | undefined {
  const spelling = odditiesOf(container)?.numbers.get(key)
  return spelling !== undefined && spelling.value === value ? spelling.text : undefined
}

/** Lets a copy that was made key by key know what its original knew. */
export function copyOddities(from: object, to: object): void {
  const known = odditiesOf(from)
  if (known !== undefined) (to as Carrier)[oddities] = known
}

function carried(container: object): Oddities {
  return ((container as Carrier)[oddities] ??= { numbers: new Map(), duplicateKey: false })
}
