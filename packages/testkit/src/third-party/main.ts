import { createServer } from 'node:http';
import { thirdParty } from './application.ts';

const {
  THIRD_PARTY_PORT: port,
  THIRD_PARTY_MODE: mode,
  THIRD_PARTY_CLIENT: client,
  THIRD_PARTY_SECRET: secret,
} = process.env;

const listener = await thirdParty({
  issuer: `http://localhost:${port}`,
  clientId: client ?? '',
  clientSecret: secret ?? '',
  mode: mode === 'openid' ? 'openid' : 'oauth',
});
createServer(listener).listen(Number(port), '127.0.0.1');
