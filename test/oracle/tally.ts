/** How often each rule decided, so that a proof can show that it went everywhere. */
export class Tally {
  readonly #counts = new Map<string, number>()
  allowed = 0
  refused = 0

  count(name: string, times = 1): void {
    this.#counts.set(name, this.of(name) + times)
  }

  of(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  missing(names: readonly string[]): string[] {
    return names.filter((name) => this.of(name) === 0)
  }

  toString(): string {
    return [...this.#counts]
      .sort(([, a], [, b]) => a - b)
      .map(([name, times]) => `${name} ${times}`)
      .join(', ')
  }
}
