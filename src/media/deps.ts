import type { FederationClient } from '../federation/client.ts'
import type { ServerName } from '../protocol/ids.ts'
import type { Database } from '../store/database.ts'
import type { MediaRow } from '../store/media.ts'
import type { Config } from '../util/config.ts'
import type { Log } from '../util/log.ts'
import type { Clock, Net, Random } from '../util/ports.ts'
import type { BlobFiles } from './blob-files.ts'
import type { Thumbnailer } from './thumbnailer.ts'

/** Files of other servers: `RemoteFetches`. */
export interface RemoteFiles {
  get(
    deps: Pick<MediaDeps, 'database' | 'clock' | 'config' | 'federation' | 'blobFiles' | 'net'>,
    origin: ServerName,
    mediaId: string,
    timeoutMs: number,
  ): Promise<MediaRow>
}

/** What the media repository needs from the rest of the server. */
export interface MediaDeps {
  readonly database: Database
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly config: Config
  readonly serverName: ServerName
  readonly federation: { readonly [K in keyof FederationClient]: FederationClient[K] }
  readonly net: Net
  readonly blobFiles: BlobFiles
  readonly thumbnailer: Thumbnailer
  readonly remoteFetches: RemoteFiles
}
