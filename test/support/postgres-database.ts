import pg from 'pg'

let made = 0

/** Makes an empty database (C collation, UTF8) in the cluster of `url` and returns its own URL. */
export async function testDatabase(url: string): Promise<string> {
  const name = `lethe_${process.pid}_${Date.now()}_${made++}`
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`create database ${name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`)
  } finally {
    await client.end()
  }
  const own = new URL(url)
  own.pathname = `/${name}`
  return own.href
}
