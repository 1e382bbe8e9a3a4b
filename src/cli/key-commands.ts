import { loadSigningKeys, rotateSigningKey } from '../federation/signing-key.ts'
import { readOperatorFile } from '../server/operator-file.ts'
import { systemRandom } from '../util/system-ports.ts'
import type { CommandGroup } from './cli.ts'
import { CliError } from './cli.ts'

/** `lethe key show|rotate`: the key that this server signs with. */
export const keyCommands: CommandGroup = (program, cli) => {
  const key = program.command('key').description('the signing key')
  key
    .command('show')
    .description('prints the public keys, the present one and old ones')
    .action(async () => {
      const { current, old } = await loadSigningKeys(cli.load().config.signingKey.path, systemRandom)
      const shown = { key_id: current.keyId, public_key: current.publicKey, old_keys: old }
      cli.printData(shown, () =>
        [`${current.keyId} ${current.publicKey}`, ...old.map((one) => `${one.keyId} ${one.publicKey} (old)`)].join(
          '\n',
        ),
      )
    })
  key
    .command('rotate')
    .description('makes a new key and keeps the present one as an old one; the server must be stopped')
    .action(async () => {
      const { config } = cli.load()
      const running = readOperatorFile(config.dataDir)
      if (running && isAlive(running.pid))
        throw new CliError('stop the server first: it signs with the key that it read at its start')
      const { current } = await rotateSigningKey(config.signingKey.path, systemRandom, cli.terminal.now())
      cli.printData({ key_id: current.keyId, public_key: current.publicKey }, () => `the key is ${current.keyId} now`)
    })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
