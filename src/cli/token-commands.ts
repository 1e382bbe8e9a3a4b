import type { CommandGroup } from './cli.ts'
import { UsageError } from './cli.ts'
import { parseDurationMs } from './config/kinds.ts'
import { withServer } from './operator.ts'

const tokens = '/_lethe/admin/v1/registration_tokens'

interface TokenView {
  readonly token: string
  readonly uses_allowed: number | null
  readonly completed: number
  readonly expires_ts: number | null
}

/** `lethe token create|list|delete`: registration tokens. */
export const tokenCommands: CommandGroup = (program, cli) => {
  const token = program.command('token').description('registration tokens')
  token
    .command('create')
    .description('makes a token')
    .argument('[token]', 'at random unless given')
    .option('--uses <number>', 'how often it is good; without end unless given')
    .option('--for <duration>', 'how long it is good, as 7d; without end unless given')
    .action(async (wanted: string | undefined, options: { uses?: string; for?: string }) => {
      const lifetimeMs = options.for === undefined ? undefined : parseDurationMs(options.for)
      if (options.for !== undefined && lifetimeMs === undefined)
        throw new UsageError('--for: expected a duration such as 7d')
      if (options.uses !== undefined && !/^[1-9]\d{0,8}$/.test(options.uses))
        throw new UsageError('--uses: expected a number')
      const body = {
        ...(wanted === undefined ? {} : { token: wanted }),
        ...(options.uses === undefined ? {} : { uses_allowed: Number(options.uses) }),
        ...(lifetimeMs === undefined ? {} : { expires_ts: cli.terminal.now() + lifetimeMs }),
      }
      const made = await withServer(cli, (call) => call('POST', tokens, body))
      cli.printData(made as unknown as TokenView, (view) => view.token)
    })
  token
    .command('list')
    .description('lists the tokens')
    .action(async () => {
      const answer = await withServer(cli, (call) => call('GET', tokens))
      cli.printData(answer['registration_tokens'] as unknown as TokenView[], (all) => all.map(line).join('\n'))
    })
  token
    .command('delete')
    .description('removes a token')
    .argument('<token>')
    .action(async (wanted: string) => {
      await withServer(cli, (call) => call('DELETE', `${tokens}/${encodeURIComponent(wanted)}`))
      cli.printData({ deleted: true }, () => 'the token was removed')
    })
}

function line({ token, uses_allowed, completed, expires_ts }: TokenView): string {
  const uses = uses_allowed === null ? `${completed} uses` : `${completed} of ${uses_allowed} uses`
  return [token, uses, ...(expires_ts === null ? [] : [`until ${new Date(expires_ts).toISOString()}`])].join('  ')
}
