// Preloaded into a server that is to fail a proof: every connection of SQLite is at `synchronous = OFF`.
import Database from 'better-sqlite3'

const { exec } = Database.prototype
Database.prototype.exec = function (source) {
  return exec.call(this, source.replaceAll(/synchronous = \w+/g, 'synchronous = OFF'))
}
