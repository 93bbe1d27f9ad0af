import type { RegistrationRefusal } from '../registration/refusal.ts';

/** What came of a registration that was asked for. */
export type RegistrationOutcome = 'registered' | 'repeated' | 'invalid' | 'not_admitted' | 'over_limit';

/** The class of a refusal that a metric tells apart. */
export function registrationOutcome({ error }: RegistrationRefusal): RegistrationOutcome {
  switch (error) {
    case 'too_many':
      return 'over_limit';
    case 'registration_off':
    case 'token_missing':
    case 'token_invalid':
      return 'not_admitted';
    case 'invalid_request':
    case 'invalid_redirect_uri':
    case 'invalid_client_metadata':
    case 'invalid_software_statement':
    case 'unapproved_software_statement':
      return 'invalid';
  }
}
