import { endpoints as adminUsers } from './admin/users.ts'
import { endpoints as clientAccountData } from './client/account-data.ts'
import { endpoints as clientAccount } from './client/account.ts'
import { endpoints as clientCapabilities } from './client/capabilities.ts'
import { endpoints as clientDevices } from './client/devices.ts'
import { endpoints as clientFilter } from './client/filter.ts'
import { endpoints as clientIntegrations } from './client/integrations.ts'
import { endpoints as clientLogin } from './client/login.ts'
import { endpoints as clientLogout } from './client/logout.ts'
import { endpoints as clientModeration } from './client/moderation.ts'
import { endpoints as clientOpenid } from './client/openid.ts'
import { endpoints as clientPassword } from './client/password.ts'
import { endpoints as clientProfile } from './client/profile.ts'
import { endpoints as clientPushRules } from './client/push-rules.ts'
import { endpoints as clientRegister } from './client/register.ts'
import { endpoints as clientTags } from './client/tags.ts'
import { endpoints as clientVersions } from './client/versions.ts'
import type { Auth, Endpoint, Method } from './endpoint.ts'
import { endpoints as health } from './health.ts'
import { endpoints as mediaUpload } from './media/upload.ts'
import type { LimitKind } from './rate-limit.ts'
import { endpoints as synapseAdminRegister } from './synapse-admin/register.ts'
import { endpoints as wellKnownClient } from './well-known/client.ts'
import { endpoints as wellKnownServer } from './well-known/server.ts'
import { endpoints as wellKnownSupport } from './well-known/support.ts'

/** Every endpoint of this server. */
export const allEndpoints: readonly Endpoint[] = [
  ...adminUsers,
  ...clientAccountData,
  ...clientAccount,
  ...clientCapabilities,
  ...clientDevices,
  ...clientFilter,
  ...clientIntegrations,
  ...clientLogin,
  ...clientLogout,
  ...clientModeration,
  ...clientOpenid,
  ...clientPassword,
  ...clientProfile,
  ...clientPushRules,
  ...clientRegister,
  ...clientTags,
  ...clientVersions,
  ...health,
  ...mediaUpload,
  ...synapseAdminRegister,
  ...wellKnownClient,
  ...wellKnownServer,
  ...wellKnownSupport,
]

/** One line of the table of routes; parameters stand as `{name}`. */
export interface RouteLine {
  readonly method: Method
  readonly path: string
  readonly auth: Auth
  readonly limit: LimitKind
}

/** The table of routes, aliases included, by path. */
export function listRoutes(): RouteLine[] {
  const lines = allEndpoints.flatMap(({ method, path, aliases, auth, limit }) =>
    [...new Set([path, ...aliases])].map((each) => ({
      method,
      path: each.replaceAll(/:([^/]+)/g, '{$1}'),
      auth,
      limit,
    })),
  )
  return lines.toSorted((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.method < b.method ? -1 : 1))
}
