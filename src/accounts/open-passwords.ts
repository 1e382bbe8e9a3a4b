import type { Database } from '../store/database.ts'
import { listPepperIds } from '../store/accounts.ts'
import type { Config } from '../util/config.ts'
import type { Random } from '../util/ports.ts'
import { Passwords } from './passwords.ts'
import { configuredPepper, loadPeppers } from './pepper.ts'

/**
 * Reads (or makes) the pepper and checks that every stored password can still be checked. Throws an Error that says what
 * to do where a pepper is missing: going on would lock out everybody whose hash was made with it.
 */
export async function openPasswords(
  config: Pick<Config, 'passwords'>,
  deps: { readonly random: Random; readonly database: Database },
): Promise<Passwords> {
  const { pepper, pepperFile, bcryptCost: cost, minimumLength } = config.passwords
  const needed = await deps.database.read((conn) => listPepperIds(conn))
  const peppers = pepper === null ? await loadPeppers(pepperFile, deps.random) : configuredPepper(pepper)
  const missing = needed.filter((id) => !peppers.byId.has(id))
  if (missing.length > 0)
    throw new Error(
      `stored passwords need a pepper that ${pepper === null ? pepperFile : 'the configuration'} lacks: bring it back`,
    )
  return new Passwords({ peppers, cost, minimumLength })
}
