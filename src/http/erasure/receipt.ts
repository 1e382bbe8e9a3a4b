import { showReceipt } from '../../privacy/erasure/show.ts'
import { MatrixError } from '../../protocol/errors.ts'
import { endpoint } from '../endpoint.ts'
import { htmlReply } from '../reply.ts'
import { receiptForm, receiptPage } from './receipt-page.ts'

const maxFormBytes = 4_096

/** How far an erasure is, by the receipt: JSON, or a page with a form for people. */
export const erasureReceipt = endpoint({
  method: 'GET',
  path: '/_lethe/v1/erasure',
  auth: 'none',
  limit: 'login',
  resources: ['client', 'console'],
  async handle({ deps, request }) {
    const token = /^Bearer ([\w-]{1,200})$/i.exec(request.header('authorization')?.trim() ?? '')?.[1]
    const wantsPage = (request.header('accept') ?? '').includes('text/html')
    if (token !== undefined) {
      const view = await showReceipt(deps, token)
      return wantsPage ? htmlReply(receiptPage(view)) : view
    }
    if (wantsPage) return htmlReply(receiptForm())
    throw new MatrixError('M_MISSING_TOKEN', 'The receipt is missing')
  },
})

/** The form's answer. The receipt comes in the body, so that no log or history has it. */
export const erasureReceiptForm = endpoint({
  method: 'POST',
  path: '/_lethe/v1/erasure',
  auth: 'none',
  limit: 'login',
  resources: ['client', 'console'],
  async handle({ deps, request }) {
    const form = new URLSearchParams(Buffer.from(await request.bytes(maxFormBytes)).toString('utf8'))
    const token = form.get('receipt')?.trim() ?? ''
    try {
      return htmlReply(receiptPage(await showReceipt(deps, token)))
    } catch (error) {
      if (!(error instanceof MatrixError) || error.errcode !== 'M_NOT_FOUND') throw error
      return htmlReply(receiptForm('There is no such receipt.'), { status: 404 })
    }
  },
})

export const endpoints = [erasureReceipt, erasureReceiptForm]
