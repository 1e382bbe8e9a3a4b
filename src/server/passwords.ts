import { Passwords } from '../accounts/passwords.ts'
import { configuredPepper, loadPeppers } from '../accounts/pepper.ts'
import { listPepperIds } from '../store/accounts.ts'
import type { Database } from '../store/database.ts'
import type { Config } from '../util/config.ts'
import type { Random } from '../util/ports.ts'

/**
 * Makes what hashes passwords. The pepper's file is made when it is missing; throws where stored hashes need a pepper that
 * is not there, because nobody could log in and new hashes would hide that.
 */
export async function makePasswords(config: Config, random: Random, database: Database): Promise<Passwords> {
  const { pepper, pepperFile, bcryptCost, minimumLength } = config.passwords
  const peppers = pepper === null ? await loadPeppers(pepperFile, random) : configuredPepper(pepper)
  const needed = await database.read(listPepperIds)
  const missing = needed.filter((id) => !peppers.byId.has(id))
  if (missing.length > 0) {
    const place = pepper === null ? pepperFile : 'passwords.pepper'
    throw new Error(`${place} is not the pepper that the passwords in the database were hashed with: restore it`)
  }
  return new Passwords({ peppers, cost: bcryptCost, minimumLength })
}
