#!/usr/bin/env node
// Runs the program from one file, with the code that V8 made of it at the build (see compile.mjs). Where V8 is another one
// or that file is missing, the text is compiled anew.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Script } from 'node:vm'

const folder = import.meta.dirname
const filename = `${folder}/lethe.cjs`

function compiled() {
  try {
    return readFileSync(`${folder}/lethe.code`)
  } catch {
    return undefined
  }
}

/** @type {{ cachedData?: Buffer }} */
const options = {}
const code = compiled()
if (code !== undefined) options.cachedData = code
export const script = new Script(readFileSync(filename, 'latin1'), { filename, ...options })
script.runInThisContext()({}, createRequire(filename), {}, filename, folder)
