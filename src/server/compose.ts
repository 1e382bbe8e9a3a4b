import { LastSeen } from '../accounts/last-seen.ts'
import { openPasswords } from '../accounts/open-passwords.ts'
import { Sessions } from '../accounts/sessions.ts'
import { loadSigningKeys } from '../federation/signing-key.ts'
import type { Prepare } from '../federation/transaction.ts'
import type { Deps } from '../http/deps.ts'
import { RateLimits } from '../http/rate-limit.ts'
import { BlobFiles } from '../media/blob-files.ts'
import { releaseMedia } from '../media/released.ts'
import { RemoteFetches } from '../media/remote.ts'
import { Thumbnailer } from '../media/thumbnailer.ts'
import { makeDelivery } from '../delivery/make-delivery.ts'
import { makeDeparture } from '../privacy/departure.ts'
import { Eraser } from '../privacy/erasure/eraser.ts'
import { openErasureJournal } from '../privacy/open-journal.ts'
import { preparePrivacy } from '../privacy/start.ts'
import { parseServerName } from '../protocol/ids.ts'
import { ErasedUsers } from '../rooms/erased.ts'
import { followProfile } from '../rooms/profile-change.ts'
import { expelGuests } from '../rooms/expel-guests.ts'
import { prepareForServer } from '../rooms/read-for-server.ts'
import { MessageQueue } from '../rooms/message-queue.ts'
import { RoomCache } from '../rooms/room-cache.ts'
import { ThreadSigner } from '../rooms/signer.ts'
import { WaitingEvents } from '../rooms/waiting-events.ts'
import { Changes } from '../store/changes.ts'
import { AddressSet } from '../util/address.ts'
import type { Config } from '../util/config.ts'
import { failpointFrom } from '../util/failpoint.ts'
import { makeFolderDurably } from '../util/durable-file.ts'
import { startBackground } from './background.ts'
import { makeFederation } from './federation.ts'
import { openDatabase } from './open-database.ts'
import { assertOwnDatabase } from './own-database.ts'
import { completePorts } from './ports.ts'
import type { Ports } from './ports.ts'
import { Repeated } from './repeat.ts'

/** A server put together, without listeners. */
export interface Composed {
  readonly deps: Deps
  /** Begins background work: deliveries, erasures, sweeps. */
  start(): Promise<void>
  /** Ends long polls; what is asked meanwhile is still answered. */
  beginStop(): void
  /** Ends background work, then closes everything. */
  close(): Promise<void>
}

/** What is said on the command line only. */
export interface ComposeOptions {
  /** lines of the journal of erasures are lost, and the operator takes that upon them */
  readonly acceptJournalLoss?: boolean
}

/**
 * Puts a server together from the inside out: secrets, database, other servers, rooms, accounts, media, privacy. Throws
 * where anything of that cannot be used, and closes again what it had opened.
 */
export async function compose(
  config: Config,
  given: Partial<Ports> = {},
  options: ComposeOptions = {},
): Promise<Composed> {
  const failpoint = given.failpoint ?? failpointFrom(process.env, () => process.kill(process.pid, 'SIGKILL'))
  const ports = completePorts(config, failpoint === undefined ? given : { ...given, failpoint })
  const { clock, random, log, onFatal } = ports
  if (given.failpoint === undefined && failpoint !== undefined)
    log.warn('LETHE_FAILPOINT is set: this process kills itself')
  const serverName = parseServerName(config.serverName)
  if (serverName === undefined) throw new Error('server_name is not a server name')
  await makeFolderDurably(config.dataDir, 0o700)
  const ownKeys = await loadSigningKeys(config.signingKey.path, random)
  const onFault = (error: unknown) => log.error('the database failed in the background', { error })
  const database = await openDatabase(config, { clock, onFatal, onFault, failpoint }, given.fileWork)
  const stopping = new AbortController()
  const repeated = new Repeated(clock, log)
  const closers: (() => Promise<unknown>)[] = []
  const close = async () => {
    stopping.abort()
    for (const closer of closers.toReversed()) {
      await closer().catch((error: unknown) => log.error('could not close', { error }))
    }
  }
  closers.push(() => database.close())
  try {
    await assertOwnDatabase(database, serverName)
    const changes = new Changes()
    const roomCache = new RoomCache(serverName)
    const erased = new ErasedUsers(() => roomCache.clear())
    await database.read((conn) => erased.load(conn))
    const prepare: Prepare = (conn, _server, eventNids) => prepareForServer({ roomCache, erased }, conn, eventNids)
    const federation = makeFederation(config, ports, { serverName, ownKeys, database, prepare })
    const lastSeen = new LastSeen({ database, clock, log, config })
    closers.push(() => lastSeen.flush())
    const thumbnailer = new Thumbnailer(clock)
    closers.push(() => thumbnailer.stop())
    const acceptsLoss = options.acceptJournalLoss ?? false
    const journal = await openErasureJournal({ database, clock, log, config, acceptsLoss, onFatal })
    closers.push(() => journal.close())
    const signer = given.signer?.(ownKeys.current) ?? new ThreadSigner(ownKeys.current, log)
    closers.push(() => signer.stop())
    const eraser = new Eraser()
    closers.push(() => eraser.stop())
    const base = {
      config,
      clock,
      random,
      log,
      database,
      serverName,
      changes,
      erased,
      roomCache,
      failpoint,
      ...federation,
    }
    const delivery = await makeDelivery(base)
    const waiting = new WaitingEvents({ ...base, ...delivery })
    // In the other order: nothing waits for other servers any more once the network is closed.
    closers.push(
      async () => delivery.stop(),
      () => repeated.stop(),
      () => ports.net.close(),
      () => waiting.stop(),
    )
    const deps: Deps = {
      ...base,
      ...delivery,
      waiting,
      signer,
      messages: new MessageQueue(() => deps),
      journal,
      eraser,
      thumbnailer,
      lastSeen,
      passwords: await openPasswords(config, { random, database }),
      sessions: new Sessions(),
      // What accounts need of the parts above them: asked for once everything is there.
      get departure() {
        return makeDeparture(deps)
      },
      profileChanged: (requester) => followProfile(deps, requester),
      guestsClosed: (roomId) =>
        void expelGuests(deps, roomId).catch((error: unknown) => log.error('guests did not leave', { roomId, error })),
      mediaReleased: (tx, media) => releaseMedia(tx, deps, media),
      net: ports.net,
      blobFiles: new BlobFiles(
        config.media.path,
        failpoint,
        database.engine === 'postgres' ? { owner: () => database.writerNid } : undefined,
      ),
      remoteFetches: new RemoteFetches(),
      rateLimits: new RateLimits(config.rateLimits, clock),
      trustedProxies: new AddressSet(config.trustedProxies),
      stopping: stopping.signal,
      operatorToken: random.token(32),
    }
    await preparePrivacy(deps)
    const start = async () => {
      eraser.start(deps)
      await federation.outbound.start()
      closers.push(() => federation.outbound.stop())
      startBackground(deps, repeated, waiting)
    }
    return { deps, start, beginStop: () => stopping.abort(), close }
  } catch (error) {
    await close()
    throw error
  }
}
