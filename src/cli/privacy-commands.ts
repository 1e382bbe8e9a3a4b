import type { UserId } from '../protocol/ids.ts'
import { addUp } from '../privacy/verify/findings.ts'
import type { Verification } from '../privacy/verify/findings.ts'
import { searchFiles } from '../privacy/verify/search-files.ts'
import type { TableSearch } from '../privacy/verify/search-tables.ts'
import type { Cli, CommandGroup } from './cli.ts'
import { CliError } from './cli.ts'
import { withServer } from './operator.ts'

/** `lethe privacy verify`. */
export const privacyCommands: CommandGroup = (program, cli) => {
  const privacy = program.command('privacy').description('what is held about people')
  privacy
    .command('verify')
    .description('searches every table, file and log, free pages included, for what is left of a person')
    .argument('<user>', 'user id, or what stands before its colon')
    .option('--also <text...>', 'a name, an address, a sentence that the person names')
    .action((user: string, { also = [] }: { also?: string[] }) => verify(cli, user, also))
}

async function verify(cli: Cli, user: string, also: readonly string[]): Promise<void> {
  const { config } = cli.load()
  const answer = await withServer(cli, (call) => call('POST', '/_lethe/admin/v1/privacy/verify', { user, also }))
  const tables = answer as unknown as TableSearch & { readonly user_id: UserId }
  const found = addUp([...tables.found, ...(await searchFiles(config, tables.user_id, also, tables))])
  const clean = found.every(({ may_be }) => may_be)
  const verification: Verification = { user_id: tables.user_id, erasure: tables.erasure, found, clean }
  cli.printData(verification, describe)
  const left = found.filter(({ may_be }) => !may_be).length
  if (!clean) throw new CliError(`${left} places hold what may not be there`)
}

function describe({ user_id, erasure, found, clean }: Verification): string {
  return [
    `${user_id}: ${erasure === null ? 'no erasure' : `erasure ${erasure.id}, ${erasure.state}, content ${erasure.content}`}`,
    ...found.map(
      ({ where, what, count, may_be, why }) =>
        `${may_be ? 'may be' : 'MAY NOT BE'}  ${where}  ${what}  ${count} times: ${why}`,
    ),
    clean ? 'nothing that may not be' : 'something that may not be',
  ].join('\n')
}
