// Preloaded into a server that is to fail a proof: every connection of SQLite is at `synchronous = OFF`.
import Database from 'better-sqlite3'

const { pragma } = Database.prototype
Database.prototype.pragma = function (source, options) {
  return pragma.call(this, source.startsWith('synchronous') ? 'synchronous = OFF' : source, options)
}
