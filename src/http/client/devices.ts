import * as v from 'valibot'
import type { DeviceRow } from '../../accounts/devices.ts'
import { devicesOf, getDevice, removeDevices, renameDevice } from '../../accounts/devices.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { memberOf } from '../../protocol/json.ts'
import type { Json, JsonObject } from '../../protocol/json-types.ts'
import { endpoint } from '../endpoint.ts'
import { jsonObject } from '../schemas.ts'
import { proveIdentity } from './interactive.ts'

const maxDevices = 1000

export const devices = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices',
  auth: 'user',
  limit: 'read',
  guests: true,
  async handle({ deps, requester }) {
    return { devices: (await devicesOf(deps, requester)).map(deviceAnswer) }
  },
})

export const device = endpoint({
  method: 'GET',
  path: '/_matrix/client/v3/devices/:deviceId',
  auth: 'user',
  limit: 'read',
  guests: true,
  async handle({ deps, requester, params }) {
    return deviceAnswer(await getDevice(deps, requester, params.deviceId))
  },
})

export const putDevice = endpoint({
  method: 'PUT',
  path: '/_matrix/client/v3/devices/:deviceId',
  auth: 'user',
  limit: 'write',
  guests: true,
  body: v.object({ display_name: v.nullish(v.string()) }),
  async handle({ deps, requester, params, body }) {
    await renameDevice(deps, requester, params.deviceId, body.display_name ?? undefined)
    return {}
  },
})

export const deleteDevice = endpoint({
  method: 'DELETE',
  path: '/_matrix/client/v3/devices/:deviceId',
  auth: 'user',
  limit: 'write',
  body: jsonObject,
  async handle({ deps, requester, params, body, request }) {
    const { deviceId } = params
    if (requester.kind !== 'appservice')
      await proveIdentity(deps, requester, request, `DELETE /devices/${deviceId}`, body)
    await removeDevices(deps, requester, [deviceId])
    return {}
  },
})

export const deleteDevices = endpoint({
  method: 'POST',
  path: '/_matrix/client/v3/delete_devices',
  auth: 'user',
  limit: 'write',
  body: jsonObject,
  async handle({ deps, requester, body, request }) {
    const ids = deviceIds(memberOf(body, 'devices'))
    if (requester.kind !== 'appservice') await proveIdentity(deps, requester, request, 'POST /delete_devices', body)
    await removeDevices(deps, requester, ids)
    return {}
  },
})

function deviceIds(value: Json | undefined): string[] {
  if (value === undefined) throw new MatrixError('M_MISSING_PARAM', 'devices is needed')
  if (!Array.isArray(value) || value.length > maxDevices)
    throw new MatrixError('M_BAD_JSON', 'devices must be a list of ids')
  return (value as readonly Json[]).map((id) => {
    if (typeof id !== 'string') throw new MatrixError('M_BAD_JSON', 'devices must be a list of ids')
    return id
  })
}

/** Exactly what is stored of a device (P13): its address is masked there too. */
function deviceAnswer(row: DeviceRow): JsonObject {
  return {
    device_id: row.device_id,
    ...(row.display_name === null ? {} : { display_name: row.display_name }),
    ...(row.last_seen_ts === null ? {} : { last_seen_ts: row.last_seen_ts }),
    ...(row.last_seen_address === null ? {} : { last_seen_ip: row.last_seen_address }),
    ...(row.user_agent === null ? {} : { 'org.matrix.msc3852.last_seen_user_agent': row.user_agent }),
  }
}

export const endpoints = [devices, device, putDevice, deleteDevice, deleteDevices]
