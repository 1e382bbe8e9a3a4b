import { boolean, choice, integer, list, path, secret } from './kinds.ts'
import { section } from './section.ts'

/** Logging in and registering. */
export const accountsFields = {
  passwords: section('Log-in by password.', {
    pepper_file: path('data', 'pepper', 'mixed into every password hash; made when missing, mode 0600'),
    pepper: secret('the pepper itself, instead of the file'),
    bcrypt_cost: integer(12, 4, 20, 'each step doubles the work of guessing, and of logging in'),
    allow_weak_hash: boolean(false, 'a cost under 12 is refused without this; for tests'),
    minimum_length: integer(8, 1, 128, 'of new passwords'),
    login: boolean(true, 'false: only other ways of logging in'),
  }),
  registration: section('Who may make an account.', {
    enabled: boolean(false, 'false: only `lethe user create` and the admin API'),
    flows: list(
      ['token'],
      choice(undefined, ['dummy', 'token', 'email', 'recaptcha', 'terms'], ''),
      'what is asked for, all of it: dummy (nothing), token, email, recaptcha, terms',
    ),
    guests: boolean(false, 'accounts without a password, for looking around'),
    shared_secret: secret('allows registration by /_synapse/admin/v1/register'),
  }),
}
