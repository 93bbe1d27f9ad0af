import type { Guard, Principal } from '@portcullis/guard';

export async function repositories(guard: Guard, principal: Principal, api = 'https://api.github.com') {
  const token = await guard.upstreamToken(principal, 'github');
  if (!token.ok) return { problem: token.refusal.reason };
  const response = await fetch(`${api}/user/repos`, {
    headers: { authorization: `Bearer ${token.token.value}` },
    redirect: 'error',
  });
  return { repositories: await response.json() };
}
