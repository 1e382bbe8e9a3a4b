import type { Socket } from 'node:net'
import { corsHeaders } from '../http/cors.ts'

const statusOf: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** Answers bytes that are no HTTP request, or come too slowly, in the form of every other refusal; ends the connection. */
export function onClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  // A broken connection, or an answer that is already on its way: nothing sensible can be said.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy()
    return
  }
  const body = JSON.stringify({ errcode: 'M_UNRECOGNIZED', error: 'malformed request' })
  const headers = {
    ...corsHeaders,
    'content-type': 'application/json',
    'content-length': String(body.length),
    connection: 'close',
  }
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  socket.end(`HTTP/1.1 ${statusOf[error.code ?? ''] ?? '400 Bad Request'}\r\n${head.join('')}\r\n${body}`)
}
