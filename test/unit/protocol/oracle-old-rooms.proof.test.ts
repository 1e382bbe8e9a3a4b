import { test } from 'vitest'
import { proofMs, proveVersion } from '../../oracle/prove-version.ts'

test.each([1, 2, 3, 4, 5, 6])(
  'random rooms of version %i are judged and resolved as the oracle does',
  proveVersion,
  proofMs,
)
