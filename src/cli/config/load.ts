import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Config } from '../../util/config.ts'
import { withEnvironment } from './environment.ts'
import { ConfigError, readYaml } from './located.ts'
import type { Located, Problem } from './located.ts'
import { readConfig } from './make.ts'
import { schema } from './schema.ts'

/** A configuration, where it came from, and what the operator should hear about it. */
export interface Loaded {
  readonly config: Config
  /** absolute; undefined: built-in defaults */
  readonly file: string | undefined
  readonly warnings: readonly string[]
  /** the values that were given, environment included */
  readonly given: Located
}

/**
 * Reads the configuration: `file`, else `config.yaml` in the working directory where there is one, else the defaults; the
 * environment goes over all of them. Throws ConfigError with every problem.
 */
export function loadConfig(file: string | undefined, env: Readonly<Record<string, string | undefined>>): Loaded {
  const path = resolve(file ?? 'config.yaml')
  const isThere = file !== undefined || existsSync(path)
  const problems: Problem[] = []
  const root = isThere ? readYaml(readText(path), path) : { where: 'configuration', data: new Map<string, Located>() }
  const given = withEnvironment(root, schema, env, problems)
  const isNamed = isThere || (given.data instanceof Map && given.data.has('server_name'))
  const named = isNamed ? given : withName(given)
  const config = readConfig(named, isThere ? dirname(path) : '.', problems)
  const warnings = isNamed ? [] : ['no configuration file: the server name is localhost; federation needs a real name']
  if (config.passwords.bcryptCost < 12) warnings.push('password hashes are weak: passwords.bcrypt_cost is under 12')
  if (config.database.durability === 'relaxed')
    warnings.push('database.durability is relaxed: a power cut loses messages')
  return { config, file: isThere ? path : undefined, warnings, given: named }
}

function withName(given: Located): Located {
  const data = given.data as ReadonlyMap<string, Located>
  return { ...given, data: new Map(data).set('server_name', { where: given.where, data: 'localhost' }) }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new ConfigError([{ where: path, message: `cannot be read: ${(error as NodeJS.ErrnoException).code}` }])
  }
}
