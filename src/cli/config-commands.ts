import { stringify } from 'yaml'
import type { CommandGroup } from './cli.ts'
import { generateExample } from './config/generate.ts'
import { effectiveValues } from './config/show.ts'

/** `lethe config check|show|generate`. */
export const configCommands: CommandGroup = (program, cli) => {
  const config = program.command('config').description('the configuration file')
  config
    .command('check')
    .description('says what is wrong with the configuration')
    .action(() => {
      const { file, warnings } = cli.load()
      for (const warning of warnings) cli.terminal.complain(`warning: ${warning}\n`)
      cli.printData({ file: file ?? null, warnings }, () => `${file ?? 'the built-in configuration'} is fine`)
    })
  config
    .command('show')
    .description('prints the effective values, secrets hidden')
    .action(() => cli.printData(effectiveValues(cli.load().given), (values) => stringify(values).trimEnd()))
  config
    .command('generate')
    .description('prints a commented example')
    .argument('[server-name]', 'the name to put in', 'example.org')
    .action((serverName: string) => cli.terminal.print(generateExample(serverName)))
}
