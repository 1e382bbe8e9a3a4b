import type { Requester } from '../accounts/requester.ts'

/** Who acts on rooms: what of a requester the rooms look at. */
export type Actor = Pick<Requester, 'userId' | 'userNid' | 'kind'>
