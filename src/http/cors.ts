/** What lets web clients of any origin call the API (client-server API, "Web Browser Clients"). */
export const corsHeaders = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, POST, PUT, DELETE, OPTIONS',
  'access-control-allow-headers': 'X-Requested-With, Content-Type, Authorization',
  'access-control-expose-headers': 'Retry-After, Content-Disposition',
} as const

const openPaths = ['/_matrix/', '/.well-known/matrix/', '/_synapse/', '/_lethe/admin/']

/** Whether answers below this path carry the CORS headers, errors too: all but the pages and the metrics. */
export function isOpenToOrigins(path: string): boolean {
  return openPaths.some((prefix) => path.startsWith(prefix)) || path === '/_matrix'
}
