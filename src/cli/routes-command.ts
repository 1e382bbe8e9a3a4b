import type { CommandGroup } from './cli.ts'

/** `lethe routes`: the table of endpoints as JSON, for tools. */
export const routesCommand: CommandGroup = (program, cli) => {
  program
    .command('routes', { hidden: true })
    .description('prints the table of endpoints as JSON')
    .action(async () => {
      const { listRoutes } = await import('../http/routes.ts')
      cli.terminal.print(`${JSON.stringify(listRoutes(), null, 1)}\n`)
    })
}
