import type {
  AccountsConfig,
  ErasureConfig,
  FederationConfig,
  Integrations,
  MediaConfig,
  PrivacyConfig,
  RateLimitsConfig,
} from './config-sections.ts'
import type { LogLevel } from './log.ts'

/** Which endpoints a listener offers. */
export type Resource = 'client' | 'federation' | 'media' | 'console' | 'admin' | 'metrics' | 'health'

/** One address to listen on. Port 0: any free one. */
export interface ListenerConfig {
  readonly host: string
  readonly port: number
  readonly resources: readonly Resource[]
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
}

/** Which database. */
export interface DatabaseConfig {
  readonly engine: 'sqlite' | 'postgres'
  /** SQLite's file, absolute */
  readonly path: string
  readonly durability: 'durable' | 'relaxed'
  /** PostgreSQL's */
  readonly url: string | null
  readonly pool: number
}

/** The configuration file, checked, with every default filled in; all paths are absolute. See config.example.yaml. */
export interface Config extends AccountsConfig, Integrations {
  readonly serverName: string
  /** without a slash at its end */
  readonly publicBaseUrl: string
  readonly dataDir: string
  readonly listeners: readonly ListenerConfig[]
  /** addresses or CIDR ranges whose `X-Forwarded-For` is believed */
  readonly trustedProxies: readonly string[]
  readonly compatibility: { readonly accessTokenInQuery: boolean }
  readonly wellKnown: WellKnownConfig
  readonly database: DatabaseConfig
  readonly signingKey: { readonly path: string }
  readonly logging: { readonly level: LogLevel; readonly file: string | null; readonly retainMs: number }
  readonly rateLimits: RateLimitsConfig
  readonly rooms: { readonly defaultVersion: string; readonly maxEventSize: number }
  readonly directory: {
    readonly publicOverFederation: boolean
    readonly publicWithoutLogin: boolean
    readonly aliasCreation: 'everyone' | 'admins' | 'nobody'
  }
  readonly presence: { readonly enabled: boolean; readonly overFederation: boolean }
  readonly media: MediaConfig
  readonly federation: FederationConfig
  readonly outgoingHttp: {
    readonly extraCaFiles: readonly string[]
    readonly allowPrivateAddresses: boolean
    readonly proxy: string | null
  }
  readonly erasure: ErasureConfig
  readonly privacy: PrivacyConfig
  readonly retention: { readonly enabled: boolean; readonly defaultMaxLifetimeMs: number | null }
  readonly admin: { readonly users: readonly string[] }
}

/** What `/.well-known/matrix` says beyond the addresses. */
export interface WellKnownConfig {
  /** `m.server`; null: the host and port of the public base URL, when that is https */
  readonly server: string | null
  readonly supportPage: string | null
  readonly contacts: readonly {
    readonly role: string
    readonly matrixId: string | null
    readonly emailAddress: string | null
  }[]
}
