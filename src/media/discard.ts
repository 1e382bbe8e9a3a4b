/** Gives up a stream that nobody wants, begun or not: leaving its iteration closes the connection. */
export async function discard(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of chunks) if (chunk.length >= 0) break
  } catch {
    // it was not wanted anyway
  }
}
