import type { JsonObject } from '../protocol/json-types.ts'
import type { ErasureSummary, ErasureView } from '../privacy/erasure/show.ts'
import type { CommandGroup } from './cli.ts'
import { withServer } from './operator.ts'

const erasures = '/_lethe/admin/v1/erasures'
const pathOf = (erasure: string) => `${erasures}/${encodeURIComponent(erasure)}`

const operations: readonly (readonly [name: string, description: string])[] = [
  ['cancel', 'calls an erasure off, as long as nothing was redacted; the account stays deactivated'],
  ['hold', 'a legal hold: nothing more is deleted until it is released'],
  ['release', 'ends a legal hold'],
  ['retry', 'tries everything again that waits for other servers'],
]

/** `lethe erasure list|show|cancel|hold|release|retry`. */
export const erasureCommands: CommandGroup = (program, cli) => {
  const erasure = program.command('erasure').description('erasures')
  erasure
    .command('list')
    .description('lists the erasures')
    .action(async () => {
      const { erasures: all } = await withServer(cli, (call) => call('GET', erasures))
      cli.printData(all as unknown as ErasureSummary[], (list) => list.map(line).join('\n'))
    })
  erasure
    .command('show')
    .description('shows how far an erasure is')
    .argument('<erasure>', 'its user, or its id')
    .action(async (which: string) => {
      const view = await withServer(cli, (call) => call('GET', pathOf(which)))
      cli.printData(asView(view), describe)
    })
  for (const [name, description] of operations)
    erasure
      .command(name)
      .description(description)
      .argument('<erasure>', 'its user, or its id')
      .option('--reason <text>', 'why; it is recorded')
      .action(async (which: string, { reason = '' }: { reason?: string }) => {
        const view = await withServer(cli, (call) => call('POST', `${pathOf(which)}/${name}`, { reason }))
        cli.printData(asView(view), describe)
      })
}

const asView = (view: JsonObject) => view as unknown as ErasureView
const day = (ts: number | null) => (ts === null ? 'not yet' : new Date(ts).toISOString())

function line({ id, user_id, mode, state, requested_ts, deadline_ts }: ErasureSummary): string {
  return [id, user_id, mode, state, `since ${day(requested_ts)}`, `due ${day(deadline_ts)}`].join('  ')
}

function describe(view: ErasureView): string {
  const { counts, peers, failed_rooms: failed } = view
  const deleted = Object.entries(counts.deleted).map(([name, n]) => `${n} ${name}`)
  return [
    line(view),
    `settled ${day(view.settled_ts)}, closed ${day(view.closed_ts)}, content ${view.content}`,
    `deleted: ${deleted.length === 0 ? 'nothing' : deleted.join(', ')}`,
    `${counts.pruned} events pruned, ${counts.redacted} redactions sent`,
    ...Object.entries(counts.not_redacted).map(([why, n]) => `no redaction for ${n}: ${why}`),
    ...counts.kept.map(({ what, count, why }) => `kept ${count} ${what}: ${why}`),
    ...peers.map(({ host, state, attempts }) => `server ${host}: ${state} after ${attempts} tries`),
    ...failed.map(({ room_id, state, error }) => `room ${room_id}: ${state} (${error ?? 'no reason'})`),
  ].join('\n')
}
