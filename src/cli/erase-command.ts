import type { Json, JsonObject } from '../protocol/json-types.ts'
import { keepProcessAlive, systemClock } from '../util/system-ports.ts'
import type { Cli, CommandGroup } from './cli.ts'
import { CliError, UsageError } from './cli.ts'
import type { AdminCall } from './operator.ts'
import { withServer } from './operator.ts'

const erasures = '/_lethe/admin/v1/erasures'
const pathOf = (erasure: string) => `${erasures}/${encodeURIComponent(erasure)}`
const over = new Set(['SETTLED', 'CLOSED', 'CANCELLED'])

interface EraseOptions {
  readonly reason?: string
  readonly mode?: string
  readonly dryRun?: boolean
  readonly wait?: boolean
  readonly yes?: boolean
}

/** `lethe erase`. */
export const eraseCommand: CommandGroup = (program, cli) => {
  program
    .command('erase')
    .description('erases a person: the account is locked and pruned at once, everything else follows')
    .argument('<user>', 'user id, or what stands before its colon')
    .option('--reason <text>', 'why; it is recorded')
    .option('--mode <mode>', 'redact, where forget is configured')
    .option('--dry-run', 'only say what it would concern')
    .option('--wait', 'wait until everything on this server is done')
    .option('--yes', 'do not ask')
    .action((user: string, options: EraseOptions) => erase(cli, user, options))
}

async function erase(cli: Cli, user: string, options: EraseOptions): Promise<void> {
  const { reason, mode, dryRun = false, wait = false } = options
  const chosen = mode === undefined ? {} : { mode }
  if (!dryRun && !reason?.trim()) throw new UsageError('an erasure needs --reason')
  await withServer(cli, async (call) => {
    const preview = await call('POST', erasures, { user, ...chosen, dry_run: true })
    if (dryRun) return cli.printData(preview, describe)
    if (options.yes !== true && cli.terminal.isInteractive) {
      cli.terminal.complain(`${describe(preview)}\n`)
      const answer = await cli.terminal.ask('This cannot be undone. Erase? (yes/no) ')
      if (answer.trim().toLowerCase() !== 'yes') throw new CliError('nothing was erased')
    }
    const begun = await call('POST', erasures, { user, reason, ...chosen })
    const state = wait ? await waitForEnd(call, text(begun['id'])) : text(begun['state'])
    const ended: JsonObject = { ...begun, state }
    return cli.printData(ended, (shown) =>
      [
        `${text(shown['user_id'])} is erased: ${text(shown['state'])}, mode ${text(shown['mode'])}, id ${text(shown['id'])}`,
      ]
        .concat(shown['receipt'] === null ? [] : [`receipt for the person, shown once: ${text(shown['receipt'])}`])
        .join('\n'),
    )
  })
}

/** The state in which the work on this server is over. Throws CliError where it stopped. */
async function waitForEnd(call: AdminCall, id: string): Promise<string> {
  const letGo = keepProcessAlive()
  try {
    return await pollForEnd(call, id)
  } finally {
    letGo()
  }
}

async function pollForEnd(call: AdminCall, id: string): Promise<string> {
  for (;;) {
    const state = text((await call('GET', pathOf(id)))['state'])
    if (over.has(state)) return state
    if (state === 'HELD') throw new CliError('the erasure is held')
    await systemClock.sleep(250)
  }
}

const text = (value: Json | undefined) => (typeof value === 'string' ? value : '')

function describe(preview: JsonObject): string {
  const rows = Object.entries((preview['rows'] ?? {}) as Record<string, number>).map(
    ([table, n]) => `  ${n} rows of ${table}`,
  )
  return [
    `${text(preview['user_id'])}, mode ${text(preview['mode'])}: ${Number(preview['events'])} events in ${Number(preview['rooms'])} rooms, ${Number(preview['files'])} files, ${Number(preview['servers'])} servers`,
    ...rows,
  ].join('\n')
}
