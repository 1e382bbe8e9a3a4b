import { systemClock } from '../util/system-ports.ts'
import type { CommandGroup } from './cli.ts'

/** `lethe migrate`: brings the database to this version; refused while a server has it open. */
export const migrateCommand: CommandGroup = (program, cli) => {
  program
    .command('migrate')
    .description('brings the database to the version of this program')
    .action(async () => {
      const { config } = cli.load()
      const { openDatabase } = await import('../server/open-database.ts')
      const fail = (error: unknown) => {
        throw error
      }
      const database = await openDatabase(config, { clock: systemClock, migrates: true, onFatal: fail, onFault: fail })
      await database.close()
      cli.printData({ migrated: true }, () => 'the database is up to date')
    })
}
