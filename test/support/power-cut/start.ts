import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { ApiClient } from '../api-client.ts'
import { LetheProcess } from '../lethe-process.ts'
import type { Promised } from './answers.ts'
import type { Recording } from './record.ts'

const most = 5

/** Starts the built server on the image of a data folder and asks it for what was promised. Returns what is wrong. */
export async function startOn(
  recording: Recording,
  dataFolder: string,
  promised: readonly Promised[],
): Promise<string[]> {
  const { name, told } = recording
  const config = { server_name: name, data_dir: dataFolder }
  const lethe = await LetheProcess.prepare({ folder: dirname(dataFolder), config })
  const wrong: string[] = []
  const ids = (kind: Promised['kind']) => promised.filter((each) => each.kind === kind).map(({ id }) => id)
  const as = (token: string) => Object.assign(new ApiClient(lethe.clientUrl), { token })
  try {
    await lethe.start()
    const erased = new Set(ids('erasure'))
    const members = ids('account').filter((id) => id.startsWith('@sender'))
    for (const id of ids('account').slice(-most)) {
      const { status } = await as(told.accounts[id] as string).answer('GET', '/_matrix/client/v3/account/whoami')
      // one whose erasure had no answer yet may be erased or not
      if (erased.has(id) ? status !== 401 : status !== 200 && !id.startsWith('@gone')) wrong.push(`${id}: ${status}`)
    }
    const client = as(told.accounts[members[0] ?? ''] ?? '')
    const messages = ids('event').filter((id) => id in told.messages)
    if (messages.length > 0) {
      const events = await client.history(told.room, 1000)
      const texts = new Map(events.map((event) => [event['event_id'], (event['content'] as { body?: string }).body]))
      for (const id of messages) if (texts.get(id) !== told.messages[id]) wrong.push(`${id}: ${texts.get(id)}`)
    }
    for (const id of ids('upload').slice(-most)) {
      const answer = await fetch(`${lethe.clientUrl}/_matrix/client/v1/media/download/${name}/${id}`, {
        headers: { authorization: `Bearer ${client.token}` },
      })
      const bytes = Buffer.from(await answer.arrayBuffer())
      if (createHash('sha256').update(bytes).digest('hex') !== told.uploads[id]) wrong.push(`${id}: ${answer.status}`)
    }
  } catch (error) {
    wrong.push(String(error))
  } finally {
    await lethe.stop('SIGKILL')
  }
  return wrong
}
