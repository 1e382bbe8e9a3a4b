// Preloaded into a server that is to fail a proof: its answers are released by a sync that was already under way.
import { register } from 'node:module'

register('./early-answers-hook.mjs', import.meta.url)
