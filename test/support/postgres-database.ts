import pg from 'pg'

let made = 0

async function withClient<T>(url: string, fn: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await fn(client)
  } finally {
    await client.end()
  }
}

/** Makes an empty database (C collation, UTF8) in the cluster of `url` and returns its own URL. */
export async function testDatabase(url: string): Promise<string> {
  const name = `lethe_${process.pid}_${Date.now()}_${made++}`
  await withClient(url, (client) =>
    client.query(`create database ${name} template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'`),
  )
  const own = new URL(url)
  own.pathname = `/${name}`
  return own.href
}

/** The folder in which the cluster of `url` keeps its files: LETHE_TEST_POSTGRES_DATA, or what the cluster says itself. */
export async function clusterFolder(url: string): Promise<string> {
  const named = process.env['LETHE_TEST_POSTGRES_DATA']
  if (named !== undefined) return named
  const { rows } = await withClient(url, (client) =>
    client.query<{ folder: string }>(`select current_setting('data_directory') as folder`),
  )
  return (rows[0] as { folder: string }).folder
}

/** Has the cluster write down what it holds in memory. */
export async function checkpoint(url: string): Promise<void> {
  await withClient(url, (client) => client.query('checkpoint'))
}
