import type { Located, Problem } from './located.ts'

/** What reading needs beside the value. */
export interface Reading {
  readonly problems: Problem[]
  /** folder of the configuration file */
  readonly folder: string
  /** absolute; known before anything else is read */
  readonly dataDir: string
}

/** One key: how it is read, its default, and what it is for. `Unit` ends its name in Config. */
export interface Field<T, Unit extends string = string> {
  readonly kind: 'text' | 'section' | 'other'
  /** the default as it would be written; undefined: the key is required */
  readonly initial: unknown
  /** for the commented example; lines of at most 100 columns */
  readonly doc: string
  readonly unit: Unit
  readonly isSecret: boolean
  /** the keys of a section */
  readonly fields: Fields | undefined
  /** Reads a value; what is wrong goes to `problems`, and the result is then of no use. */
  read(value: Located, reading: Reading): T
}

export type Fields = Readonly<Record<string, Field<unknown>>>

type Camel<S extends string> = S extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : S
type UnitOf<F> = F extends { readonly unit: infer Unit extends string } ? Unit : ''
type ValueOf<F> = F extends { read(value: Located, reading: Reading): infer T } ? T : never

/** What a section becomes in Config: camel case, with units. */
export type Section<F extends Fields> = {
  readonly [K in keyof F & string as `${Camel<K>}${UnitOf<F[K]>}`]: ValueOf<F[K]>
}

/** The name in Config of a key in the file. */
export function configName(key: string, unit: string): string {
  return key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) + unit
}

/** Notes a problem; the value returned only satisfies the types. */
export function refuse(value: Located, reading: Reading, message: string): never {
  reading.problems.push({ where: value.where, message })
  return undefined as never
}

/** Makes a field. */
export function field<T, Unit extends string = ''>(
  spec: Partial<Omit<Field<T, Unit>, 'read'>> & Pick<Field<T, Unit>, 'doc' | 'read'>,
): Field<T, Unit> {
  return { kind: 'other', initial: undefined, unit: '' as Unit, isSecret: false, fields: undefined, ...spec }
}
