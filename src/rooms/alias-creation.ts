import { MatrixError } from '../protocol/errors.ts'
import type { Config } from '../util/config.ts'
import type { Actor } from './actor.ts'

/** Throws `M_FORBIDDEN` where the configuration does not let this user make addresses (`directory.alias_creation`). */
export function assertMayMakeAliases(
  config: Pick<Config, 'directory' | 'admin'>,
  actor: Actor & { readonly admin: boolean },
): void {
  const { aliasCreation } = config.directory
  if (actor.kind === 'appservice' || aliasCreation === 'everyone') return
  if (aliasCreation === 'admins' && isAdmin(config, actor)) return
  throw new MatrixError('M_FORBIDDEN', 'You may not make room addresses on this server')
}

/** Whether somebody is an administrator, by their account or by the configuration. */
export function isAdmin(
  config: Pick<Config, 'admin'>,
  actor: Pick<Actor, 'userId'> & { readonly admin: boolean },
): boolean {
  return actor.admin || config.admin.users.includes(actor.userId)
}
