/** So many at once, then so many a second. */
export interface RateConfig {
  readonly burst: number
  readonly perSecond: number
}

/** Buckets per user, or per address where nobody is logged in. */
export interface RateLimitsConfig {
  readonly enabled: boolean
  readonly read: RateConfig
  readonly write: RateConfig
  readonly sync: RateConfig
  readonly login: RateConfig
  readonly register: RateConfig
  readonly email: RateConfig
  readonly media: RateConfig
  readonly search: RateConfig
  readonly join: RateConfig
  readonly federation: RateConfig
  readonly admin: RateConfig
}

export type RegistrationFlow = 'dummy' | 'token' | 'email' | 'recaptcha' | 'terms'

/** Logging in and registering. */
export interface AccountsConfig {
  readonly passwords: {
    /** the pepper itself; null: it is in `pepperFile`, made when missing */
    readonly pepper: string | null
    readonly pepperFile: string
    readonly bcryptCost: number
    readonly allowWeakHash: boolean
    readonly minimumLength: number
    readonly login: boolean
  }
  readonly registration: {
    readonly enabled: boolean
    readonly flows: readonly RegistrationFlow[]
    readonly guests: boolean
    readonly sharedSecret: string | null
  }
}

/** The media repository. */
export interface MediaConfig {
  /** folder, absolute */
  readonly path: string
  readonly maxUploadBytes: number
  readonly unauthenticatedAccess: boolean
  readonly previews: { readonly enabled: boolean; readonly allow: readonly string[]; readonly deny: readonly string[] }
  readonly remoteCache: { readonly maxSizeBytes: number; readonly retainMs: number }
  readonly s3: {
    readonly endpoint: string
    readonly bucket: string
    readonly region: string
    readonly accessKey: string | null
    readonly secretKey: string | null
    readonly prefix: string
  } | null
}

/** Talking with other servers. */
export interface FederationConfig {
  readonly enabled: boolean
  readonly trustedKeyServers: readonly string[]
  readonly extraCaFiles: readonly string[]
  /** server name to `address:port`, instead of discovery */
  readonly staticRoutes: Readonly<Record<string, string>>
  readonly retry: { readonly initialMs: number; readonly maxMs: number }
}

/** A rate such as `5/s`; `none` is no limit: Infinity. */
export interface ErasureRates {
  /** redactions sent per second */
  readonly perRoom: number
  readonly total: number
}

/** What an erasure does, and when. */
export interface ErasureConfig {
  readonly mode: 'redact' | 'forget'
  readonly delayMs: number
  readonly deadlineMs: number
  readonly journal: { readonly path: string }
  readonly rewrite: { readonly everyMs: number; readonly window: string | null }
  readonly rates: ErasureRates
  readonly forward: boolean
  readonly inbound: { readonly enabled: boolean; readonly quarantineMs: number }
}

/** What is kept about people, for how long, and who answers for it. */
export interface PrivacyConfig {
  /** bits kept */
  readonly maskAddresses: { readonly ipv4: number; readonly ipv6: number }
  readonly retain: { readonly addressesMs: number; readonly sessionsMs: number; readonly exportsMs: number }
  readonly controller: {
    readonly name: string | null
    readonly contact: string | null
    readonly address: string | null
    readonly supervisoryAuthority: string | null
  }
  readonly processors: readonly {
    readonly name: string
    readonly purpose: string | null
    readonly basis: string | null
    readonly location: string | null
    readonly data: string | null
    readonly policy: string | null
  }[]
}

/** An upstream that people may log in with. */
export interface OidcProviderConfig {
  readonly id: string
  readonly name: string
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string | null
  readonly scopes: readonly string[]
  readonly icon: string | null
}

/** Things beside the server that it can use; null where there is none. */
export interface Integrations {
  readonly serverNotices: { readonly enabled: boolean; readonly localpart: string; readonly roomName: string }
  /** registration files, absolute */
  readonly applicationServices: readonly string[]
  readonly email: {
    readonly host: string
    readonly port: number
    readonly secure: boolean
    readonly from: string
    readonly user: string | null
    readonly password: string | null
  } | null
  readonly turn: {
    readonly uris: readonly string[]
    readonly sharedSecret: string | null
    readonly user: string | null
    readonly password: string | null
    readonly ttlMs: number
  } | null
  readonly rtc: { readonly livekitServiceUrl: string | null }
  readonly oidcProviders: readonly OidcProviderConfig[]
  readonly recaptcha: { readonly siteKey: string; readonly secretKey: string | null } | null
  readonly cas: { readonly url: string } | null
}
