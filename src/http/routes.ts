import { endpoints as adminErasures } from './admin/erasures.ts'
import { endpoints as adminPrivacy } from './admin/privacy.ts'
import { endpoints as adminRegistrationTokens } from './admin/registration-tokens.ts'
import { endpoints as adminUsers } from './admin/users.ts'
import { endpoints as clientAccountData } from './client/account-data.ts'
import { endpoints as clientAccount } from './client/account.ts'
import { endpoints as clientAliases } from './client/aliases.ts'
import { endpoints as clientCapabilities } from './client/capabilities.ts'
import { endpoints as clientCreateRoom } from './client/create-room.ts'
import { endpoints as clientDevices } from './client/devices.ts'
import { endpoints as clientDirectory } from './client/directory.ts'
import { endpoints as clientFilter } from './client/filter.ts'
import { endpoints as clientIntegrations } from './client/integrations.ts'
import { endpoints as clientInvite } from './client/invite.ts'
import { endpoints as clientJoin } from './client/join.ts'
import { endpoints as clientKickBan } from './client/kick-ban.ts'
import { endpoints as clientKnock } from './client/knock.ts'
import { endpoints as clientLeave } from './client/leave.ts'
import { endpoints as clientLogin } from './client/login.ts'
import { endpoints as clientLogout } from './client/logout.ts'
import { endpoints as clientMessages } from './client/messages.ts'
import { endpoints as clientModeration } from './client/moderation.ts'
import { endpoints as clientOpenid } from './client/openid.ts'
import { endpoints as clientPassword } from './client/password.ts'
import { endpoints as clientProfile } from './client/profile.ts'
import { endpoints as clientPushRules } from './client/push-rules.ts'
import { endpoints as clientReceipts } from './client/receipts.ts'
import { endpoints as clientRegister } from './client/register.ts'
import { endpoints as clientRelations } from './client/relations.ts'
import { endpoints as clientRoomState } from './client/room-state.ts'
import { endpoints as clientSend } from './client/send.ts'
import { endpoints as clientSync } from './client/sync.ts'
import { endpoints as clientTags } from './client/tags.ts'
import { endpoints as clientThreads } from './client/threads.ts'
import { endpoints as clientTyping } from './client/typing.ts'
import { endpoints as clientUpgrade } from './client/upgrade.ts'
import { endpoints as clientTimestampToEvent } from './client/timestamp-to-event.ts'
import { endpoints as clientVersions } from './client/versions.ts'
import type { Auth, Endpoint, Method } from './endpoint.ts'
import { endpoints as erasureReceipt } from './erasure/receipt.ts'
import { endpoints as federationDirectory } from './federation/directory.ts'
import { endpoints as federationEvent } from './federation/event.ts'
import { endpoints as federationHistory } from './federation/history.ts'
import { endpoints as federationInvite } from './federation/invite.ts'
import { endpoints as federationJoins } from './federation/joins.ts'
import { endpoints as federationKeys } from './federation/keys.ts'
import { endpoints as federationKnocks } from './federation/knocks.ts'
import { endpoints as federationLeaves } from './federation/leaves.ts'
import { endpoints as federationMedia } from './federation/media.ts'
import { endpoints as federationOpenid } from './federation/openid.ts'
import { endpoints as federationQueryProfile } from './federation/query-profile.ts'
import { endpoints as federationSend } from './federation/send.ts'
import { endpoints as federationState } from './federation/state.ts'
import { endpoints as federationUserErase } from './federation/user-erase.ts'
import { endpoints as federationTimestampToEvent } from './federation/timestamp-to-event.ts'
import { endpoints as federationVersion } from './federation/version.ts'
import { endpoints as health } from './health.ts'
import { endpoints as mediaDownload } from './media/download.ts'
import { endpoints as mediaOpen } from './media/open.ts'
import { endpoints as mediaUpload } from './media/upload.ts'
import type { LimitKind } from './rate-limit.ts'
import { endpoints as synapseAdminRegister } from './synapse-admin/register.ts'
import { endpoints as wellKnownClient } from './well-known/client.ts'
import { endpoints as wellKnownServer } from './well-known/server.ts'
import { endpoints as wellKnownSupport } from './well-known/support.ts'

/** Every endpoint of this server. */
export const allEndpoints: readonly Endpoint[] = [
  ...adminErasures,
  ...adminPrivacy,
  ...adminRegistrationTokens,
  ...adminUsers,
  ...clientAccountData,
  ...clientAccount,
  ...clientAliases,
  ...clientCapabilities,
  ...clientCreateRoom,
  ...clientDevices,
  ...clientDirectory,
  ...clientFilter,
  ...clientIntegrations,
  ...clientInvite,
  ...clientJoin,
  ...clientKickBan,
  ...clientKnock,
  ...clientLeave,
  ...clientLogin,
  ...clientLogout,
  ...clientMessages,
  ...clientModeration,
  ...clientOpenid,
  ...clientPassword,
  ...clientProfile,
  ...clientPushRules,
  ...clientReceipts,
  ...clientRegister,
  ...clientRelations,
  ...clientRoomState,
  ...clientSend,
  ...clientSync,
  ...clientTags,
  ...clientThreads,
  ...clientTyping,
  ...clientUpgrade,
  ...clientTimestampToEvent,
  ...clientVersions,
  ...erasureReceipt,
  ...federationDirectory,
  ...federationEvent,
  ...federationHistory,
  ...federationInvite,
  ...federationJoins,
  ...federationKeys,
  ...federationKnocks,
  ...federationLeaves,
  ...federationMedia,
  ...federationOpenid,
  ...federationQueryProfile,
  ...federationSend,
  ...federationState,
  ...federationUserErase,
  ...federationTimestampToEvent,
  ...federationVersion,
  ...health,
  ...mediaDownload,
  ...mediaOpen,
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
