import { describe, expect, test } from '@jest/globals';
import { isHostVouchedFor } from '../src/client-metadata/trust-policy.ts';
import { imageTypeOf } from '../src/logos/image-type.ts';
import { shownLogo } from '../src/logos/shown-logo.ts';

describe('what a picture is', () => {
  test.each([
    ['image/png', '89504e470d0a1a0a0000000d'],
    ['image/jpeg', 'ffd8ffe000104a4649460001'],
    ['image/gif', '474946383961010001000000'],
    ['image/gif', '474946383761'],
    ['image/webp', '524946461a00000057454250'],
    [undefined, ''],
    [undefined, '8950'],
    [undefined, '524946461a00000041564920'],
    [undefined, Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>').toString('hex')],
    [undefined, Buffer.from('<!doctype html><script>').toString('hex')],
    [undefined, `20${'89504e470d0a1a0a'}`],
  ])('is %s for bytes that begin with %s', (type, bytes) => {
    expect(imageTypeOf(Buffer.from(bytes, 'hex'))).toBe(type);
  });
});

describe('whose logo is shown', () => {
  const logoUri = 'https://app.example/logo.png';
  const document = { clientId: 'https://app.example/client.json', isVouchedFor: true };

  test.each([
    ['one that registered itself', { logoUri, isFirstParty: false }, undefined],
    ['one that the operator calls his own', { logoUri, isFirstParty: true }, logoUri],
    ['one with a document, on its own host', { logoUri, isFirstParty: false, document }, logoUri],
    [
      'one with a document, on another host',
      { logoUri: 'https://cdn.example/logo.png', isFirstParty: false, document },
      undefined,
    ],
    [
      'one with a document, on another port',
      { logoUri: 'https://app.example:8443/logo.png', isFirstParty: false, document },
      undefined,
    ],
    [
      'one from a host that nobody named',
      { logoUri, isFirstParty: false, document: { ...document, isVouchedFor: false } },
      undefined,
    ],
    ['one without a logo', { logoUri: undefined, isFirstParty: true }, undefined],
    ['one whose logo is no URL', { logoUri: 'logo.png', isFirstParty: true }, undefined],
  ])('%s', (_who, claim, shown) => {
    expect(shownLogo(claim)).toBe(shown);
  });

  test('a host is vouched for by a list, and by an administrator who has to approve, not by letting all in', () => {
    const lists = { allow: ['app.example'], ask: ['*.asked.example'], deny: ['app.denied.example'] };
    const vouched = (host: string, by: 'allow' | 'deny' | 'ask') =>
      isHostVouchedFor(`https://${host}/c`, { ...lists, default: by });
    expect(['app.example', 'one.asked.example'].map((host) => vouched(host, 'allow'))).toEqual([true, true]);
    expect(['other.example', 'app.denied.example'].map((host) => vouched(host, 'allow'))).toEqual([false, false]);
    expect([vouched('other.example', 'ask'), vouched('other.example', 'deny')]).toEqual([true, false]);
  });
});
