import { test } from 'vitest'
import { proofMs, proveVersion } from '../../oracle/prove-version.ts'

test.each([7, 8, 9, 10, 11, 12])(
  'random rooms of version %i are judged and resolved as the oracle does',
  proveVersion,
  proofMs,
)
