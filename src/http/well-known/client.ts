import { endpoint } from '../endpoint.ts'
import { jsonReply } from '../reply.ts'

/** Where clients find this server (client-server API, "Well-known URIs"), and the calls' service (MSC4143) where there is one. */
export const wellKnownClient = endpoint({
  method: 'GET',
  path: '/.well-known/matrix/client',
  auth: 'none',
  limit: 'none',
  handle({ deps: { config } }) {
    const { livekitServiceUrl } = config.rtc
    const foci = livekitServiceUrl === null ? [] : [{ type: 'livekit', livekit_service_url: livekitServiceUrl }]
    const body = {
      'm.homeserver': { base_url: config.publicBaseUrl },
      ...(foci.length > 0 ? { 'org.matrix.msc4143.rtc_foci': foci } : {}),
    }
    return jsonReply(body, { headers: { 'cache-control': 'public, max-age=3600' } })
  },
})

export const endpoints = [wellKnownClient]
