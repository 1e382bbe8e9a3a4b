const rules: readonly (readonly [RegExp, string])[] = [
  [/\b(Bearer|Basic|X-Matrix)\s+\S.*/gi, '$1 [hidden]'],
  [/\b(access_token|token|client_secret|sid|password|loginToken)=[^&\s"]+/gi, '$1=[hidden]'],
  [/[^\s"'<>@:/]{1,255}@[\w-]{1,255}(?:\.[\w-]{1,255}){1,20}/g, '[address]'],
  [/@[^\s:"'/]{0,255}:([\w.\-[\]:]{1,255})/g, '@[user]:$1'],
  [/\b(\d{1,3}\.\d{1,3})\.\d{1,3}\.\d{1,3}\b/g, '$1.0.0'],
  [/\b([0-9a-f]{1,4}:[0-9a-f]{1,4}):(?:[0-9a-f]{0,4}:){1,6}[0-9a-f]{0,4}\b/gi, '$1::'],
]

/** Text for a log: user ids, e-mail addresses, IP addresses and tokens in it are hidden. */
export function scrub(text: string): string {
  return rules.reduce((left, [pattern, with_]) => left.replace(pattern, with_), text.slice(0, 4_000))
}
