import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import type { AccountView } from '../admin/users.ts'
import type { Cli, CommandGroup } from './cli.ts'
import { CliError } from './cli.ts'
import { withServer } from './operator.ts'

const users = '/_lethe/admin/v1/users'
const pathOf = (name: string) => `${users}/${encodeURIComponent(name)}`

/** `lethe user create|list|show|password|deactivate|lock|suspend|admin`. */
export const userCommands: CommandGroup = (program, cli) => {
  const user = program.command('user').description('accounts')
  user
    .command('create')
    .description('makes an account')
    .argument('<name>', 'what stands before the colon of the user id')
    .option('--password-file <file>', 'file with the password; - is standard input')
    .option('--admin', 'make it an administrator')
    .action(async (name: string, options: { passwordFile?: string; admin?: boolean }) => {
      const password = await readPassword(cli, options.passwordFile)
      const body = { name, password, admin: options.admin ?? false }
      const made = await withServer(cli, (call) => call('POST', users, body))
      cli.printData(made, ({ user_id: userId }) => `${typeof userId === 'string' ? userId : name} was created`)
    })
  user
    .command('list')
    .description('lists the accounts')
    .action(async () => cli.printData(await listAll(cli), (all) => all.map(line).join('\n')))
  user
    .command('show')
    .description('shows an account')
    .argument('<name>')
    .action(async (name: string) => {
      const account = await withServer(cli, (call) => call('GET', pathOf(name)))
      cli.printData(account as unknown as AccountView, line)
    })
  user
    .command('password')
    .description('sets a new password and ends all sessions')
    .argument('<name>')
    .option('--password-file <file>', 'file with the password; - is standard input')
    .action(async (name: string, options: { passwordFile?: string }) => {
      const password = await readPassword(cli, options.passwordFile)
      await withServer(cli, (call) => call('PUT', `${pathOf(name)}/password`, { password }))
      cli.printData({ changed: true }, () => 'the password was changed')
    })
  user
    .command('deactivate')
    .description('ends an account for ever, without erasing what it wrote (for that: lethe erase)')
    .argument('<name>')
    .option('--reason <text>', 'why; it is recorded')
    .option('--yes', 'do not ask')
    .action(async (name: string, options: { reason?: string; yes?: boolean }) => {
      await confirm(cli, `End the account ${name} for ever?`, options.yes ?? false)
      const body = options.reason === undefined ? {} : { reason: options.reason }
      await withServer(cli, (call) => call('POST', `${pathOf(name)}/deactivate`, body))
      cli.printData({ deactivated: true }, () => `${name} is deactivated`)
    })
  flagCommand(user, cli, 'lock', 'locked', 'keeps somebody out for now')
  flagCommand(user, cli, 'suspend', 'suspended', 'lets somebody read but not write')
  flagCommand(user, cli, 'admin', 'admin', 'makes somebody an administrator')
}

function flagCommand(user: Command, cli: Cli, name: string, flag: string, description: string): void {
  user
    .command(name)
    .description(description)
    .argument('<name>')
    .option('--off', 'take it back')
    .option('--reason <text>', 'why; it is recorded')
    .action(async (target: string, options: { off?: boolean; reason?: string }) => {
      const value = options.off !== true
      const body = { value, ...(options.reason === undefined ? {} : { reason: options.reason }) }
      await withServer(cli, (call) => call('PUT', `${pathOf(target)}/${flag}`, body))
      cli.printData({ [flag]: value }, () => `${target} is ${value ? '' : 'not '}${flag} now`)
    })
}

async function listAll(cli: Cli): Promise<AccountView[]> {
  return withServer(cli, async (call) => {
    const all: AccountView[] = []
    for (let after: unknown = 0; after !== undefined;) {
      const page = await call('GET', `${users}?limit=1000&after=${Number(after)}`)
      all.push(...(page['users'] as unknown as AccountView[]))
      after = page['next']
    }
    return all
  })
}

function line({ user_id, kind, admin, created_ts, deactivated_ts, locked, suspended }: AccountView): string {
  const marks = { [kind]: kind !== 'user', admin, locked, suspended, deactivated: deactivated_ts !== null }
  const shown = Object.keys(marks).filter((mark) => marks[mark])
  return [user_id, `since ${new Date(created_ts).toISOString().slice(0, 10)}`, ...shown].join('  ')
}

/** Asks on a terminal before something that cannot be taken back; elsewhere `--yes` must say so. */
async function confirm(cli: Cli, question: string, isSure: boolean): Promise<void> {
  if (isSure) return
  if (!cli.terminal.isInteractive) throw new CliError('there is no terminal to ask: use --yes')
  if (!/^y(?:es)?$/i.test((await cli.terminal.ask(`${question} [y/N] `)).trim())) throw new CliError('nothing was done')
}

async function readPassword(cli: Cli, file: string | undefined): Promise<string> {
  if (file !== undefined) return stripNewline(file === '-' ? await cli.terminal.readInput() : readText(file))
  if (!cli.terminal.isInteractive)
    throw new CliError('there is no terminal to ask for the password: use --password-file')
  const password = await cli.terminal.ask('Password: ', true)
  if (password !== (await cli.terminal.ask('Again: ', true))) throw new CliError('the passwords are not the same')
  return password
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code}`)
  }
}

const stripNewline = (text: string) => text.replace(/\r?\n$/, '')
