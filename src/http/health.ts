import { endpoint } from './endpoint.ts'

/** Whether the server can work: answers 200 when the database does, else what the database's error says (503). */
export const health = endpoint({
  method: 'GET',
  path: '/health',
  auth: 'none',
  limit: 'none',
  async handle({ deps: { database } }) {
    await database.read((conn) => database.streamVector(conn))
    return { status: 'ok' }
  },
})

export const endpoints = [health]
