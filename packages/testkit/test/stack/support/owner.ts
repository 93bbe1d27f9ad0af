/** The first administrator of the stacks under attack. */
export const OWNER = { email: 'owner@example.com', password: 'correct horse battery staple' };

/** What makes an authorization server create that administrator at its first start. */
export const OWNER_ENV = { PORTCULLIS_ADMIN_EMAIL: OWNER.email, PORTCULLIS_ADMIN_PASSWORD: OWNER.password };
