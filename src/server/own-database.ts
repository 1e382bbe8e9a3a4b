import type { Database } from '../store/database.ts'
import { findFact, putFact } from '../store/facts.ts'

const fact = 'server_name'

/**
 * Makes sure that a database belongs to this server: the first to open it gives it its name, for ever, because users,
 * rooms and keys in it are of that name. Throws an Error that names the owner where it is another one.
 */
export async function assertOwnDatabase(database: Database, serverName: string): Promise<void> {
  const owner =
    (await database.read((conn) => findFact(conn, fact))) ??
    (await database.write(async (tx) => {
      const first = await findFact(tx, fact)
      if (first === undefined) await putFact(tx, fact, serverName)
      return first ?? serverName
    }))
  if (owner !== serverName) throw new Error(`the database belongs to the server ${owner}, not to ${serverName}`)
}
