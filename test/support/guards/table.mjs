import { eventGuards } from './events.mjs'
import { handshakeGuards } from './handshakes.mjs'
import { readerGuards } from './readers.mjs'
import { roomGuards } from './rooms.mjs'

/** @type {readonly import('./entry.mjs').Guard[]} */
export const guards = [...eventGuards, ...handshakeGuards, ...roomGuards, ...readerGuards]
