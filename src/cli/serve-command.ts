import type { Listener } from '../server/listener.ts'
import type { Config } from '../util/config.ts'
import { createLog } from '../util/log.ts'
import type { Log, LogSink } from '../util/log.ts'
import { LogFile } from '../util/log-file.ts'
import { ReloadableLog } from '../util/reloadable-log.ts'
import { keepProcessAlive, systemClock } from '../util/system-ports.ts'
import type { Cli, CommandGroup } from './cli.ts'

const stopWithinMs = 9_000

/** `lethe serve`: runs until SIGTERM or SIGINT. */
export const serveCommand: CommandGroup = (program, cli) => {
  program
    .command('serve', { isDefault: true })
    .description('runs the server in the foreground')
    .option('--accept-journal-loss', 'start though lines of the journal of erasures are lost')
    .action((options: { acceptJournalLoss?: boolean }) => serve(cli, options.acceptJournalLoss ?? false))
}

async function serve(cli: Cli, acceptJournalLoss: boolean): Promise<void> {
  const { config, warnings } = cli.load()
  const sink = openSink(config, cli)
  const log = new ReloadableLog(createLog({ level: config.logging.level, sinks: [sink] }))
  for (const warning of warnings) log.warn(warning)
  const stopped = stopSignal(log)
  logUnhandled(log)
  const onFatal = (error: Error) => {
    log.fatal('nothing can be promised any more: the process ends', { error })
    sink.flush()
    process.exit(1)
  }
  const listeners: Listener[] = []
  process.on('SIGHUP', () => reload(cli, listeners, log, sink))
  const { startServer } = await import('../server.ts')
  const server = await startServer(config, { log, onFatal }, { acceptJournalLoss })
  listeners.push(...server.listeners)
  for (const { url, config: listener } of listeners)
    log.info('listening', { url, resources: listener.resources.join(' ') })
  log.info('ready', { server: config.serverName, database: config.database.engine })
  const letGo = keepProcessAlive()
  await stopped
  log.info('stopping')
  await Promise.race([
    server.stop(),
    systemClock.sleep(stopWithinMs).then(() => log.warn('some work did not end in time')),
  ])
  letGo()
  log.info('stopped')
  sink.flush()
}

interface Sink extends LogSink {
  flush(): void
}

function openSink({ logging }: Config, cli: Cli): Sink {
  if (logging.file === null) return { write: (line) => cli.terminal.print(line), flush: () => undefined }
  const onFault = () => cli.terminal.complain('the log file cannot be written\n')
  return new LogFile({ path: logging.file, retainMs: logging.retainMs, clock: systemClock, onFault })
}

/** Resolves at the first SIGTERM or SIGINT; a second one ends the process at once. */
function stopSignal(log: Log): Promise<void> {
  return new Promise((resolve) => {
    let count = 0
    const stop = () => {
      if (++count > 1) process.exit(1)
      resolve()
    }
    process.on('SIGTERM', stop).on('SIGINT', stop)
    log.debug('waiting for signals')
  })
}

function logUnhandled(log: Log): void {
  process.on('uncaughtException', (error) => log.error('uncaught exception', { error }))
  process.on('unhandledRejection', (error) => log.error('unhandled rejection', { error }))
}

/** What can be changed while the server runs: the log's level, and certificates. */
function reload(cli: Cli, listeners: readonly Listener[], log: ReloadableLog, sink: LogSink): void {
  try {
    const { config } = cli.load()
    log.replace(createLog({ level: config.logging.level, sinks: [sink] }))
    for (const listener of listeners) listener.reload()
    log.info('reloaded the log level and the certificates')
  } catch (error) {
    log.error('could not reload', { error })
  }
}
