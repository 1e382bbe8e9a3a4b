// Puts beside the compiled files what the compiler does not take: workers in plain JavaScript, styles, pictures.
import { cpSync } from 'node:fs'

const isAsset = (path) => !/\.[a-z]+$/.test(path) || /\.(?:mjs|css|svg|png|ico|woff2|min\.js)$/.test(path)
cpSync('src', 'dist/src', { recursive: true, filter: isAsset })
