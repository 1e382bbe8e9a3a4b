import type { ReceiptView } from '../../privacy/erasure/show.ts'

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const safe = (text: string) => text.replace(/[&<>"']/g, (sign) => escapes[sign] ?? sign)
const day = (ts: number | null) =>
  ts === null ? 'not yet' : safe(`${new Date(ts).toISOString().slice(0, 16).replace('T', ' ')} UTC`)

const contents = {
  pending: 'is being deleted',
  unreachable: 'deleted, the storage is still to be rewritten',
  gone: 'deleted',
} as const

function page(title: string, body: string): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>${safe(title)}</title></head>
<body><main><h1>${safe(title)}</h1>
${body}
</main></body></html>
`
}

/** The page with a form for the receipt, with a complaint where the last one was not right. */
export function receiptForm(complaint?: string): string {
  const said = complaint === undefined ? '' : `<p role="alert">${safe(complaint)}</p>\n`
  return page(
    'Your erasure',
    `${said}<form method="post" action="/_lethe/v1/erasure">
<p><label for="receipt">The receipt that you were given when you asked for the erasure</label></p>
<p><input id="receipt" name="receipt" type="text" required autocomplete="off" spellcheck="false" size="60"></p>
<p><button type="submit">Show</button></p>
</form>`,
  )
}

/** How far the erasure is, for people. */
export function receiptPage(view: ReceiptView): string {
  const { counts } = view
  const row = (name: string, value: string | number) =>
    `<tr><th scope="row">${safe(name)}</th><td>${safe(String(value))}</td></tr>`
  const table = (caption: string, rows: readonly string[]) =>
    rows.length === 0 ? '' : `<table><caption>${safe(caption)}</caption>\n<tbody>${rows.join('\n')}</tbody></table>\n`
  return page(
    'Your erasure',
    [
      table('State', [
        row('State', view.state),
        row('Asked for', day(view.requested_ts)),
        row('Done at the latest', day(view.deadline_ts)),
        row('Done on this server', day(view.settled_ts)),
        row('Done everywhere', day(view.closed_ts)),
        row('What you wrote', contents[view.content]),
        row('Messages and other events of which only the frame is left', counts.pruned),
        row('Redactions sent to other servers', counts.redacted),
      ]),
      table(
        'Deleted',
        Object.entries(counts.deleted).map(([name, n]) => row(name, n)),
      ),
      table(
        'No redaction could be sent for',
        Object.entries(counts.not_redacted).map(([name, n]) => row(name, n)),
      ),
      table(
        'Kept, and why',
        counts.kept.map(({ what, count, why }) => row(`${what} (${count})`, why)),
      ),
      table(
        'Other servers that were told',
        Object.entries(view.peers).map(([state, n]) => row(state, n)),
      ),
      view.certificate === null
        ? ''
        : `<h2>Certificate</h2>\n<pre>${safe(JSON.stringify(view.certificate, null, 2))}</pre>`,
      `<p>Salt of the certificate's subject: <code>${safe(view.salt)}</code></p>`,
    ].join(''),
  )
}
